//! What all lists have in common: pages, cursors, sorting, search, counts (surface.md, "Lists").

use claviger_domain::permission::Permission;
use claviger_service::Error;
use claviger_wire::Page;
use claviger_wire::groups::Group;
use serde_json::json;

use crate::world::{Actor, World, body, everywhere, fresh, query};

on_both_databases!(
    pages_go_forth_and_back,
    nothing_is_shown_twice_while_others_write,
    cursors_are_bound_to_caller_path_and_filters,
    sorted_and_searched,
    counted_when_asked,
    what_no_list_takes_is_refused,
);

const PATH: &str = "/v1/groups";

impl World {
    /// Adds Groups of these names, a second apart.
    async fn groups(&self, names: &[&str]) {
        for name in names {
            self.set_time(self.now().plus_seconds(1));
            fresh(self.service.group_create(&self.owner.request(), &body(json!({"name": name}))).await);
        }
    }

    async fn page(&self, actor: &Actor, path: &str, pairs: &[(&str, &str)]) -> Result<Page<Group>, Error> {
        self.service.group_list(&actor.request(), &query(path, pairs)).await
    }

    async fn names(&self, pairs: &[(&str, &str)]) -> Vec<String> {
        names(&self.page(&self.owner, PATH, pairs).await.expect("a page"))
    }
}

fn names(page: &Page<Group>) -> Vec<String> {
    page.items.iter().map(|group| group.name.clone()).collect()
}

async fn pages_go_forth_and_back(world: World) {
    world.groups(&["a", "b", "c", "d"]).await;
    let first = world.page(&world.owner, PATH, &[("limit", "2")]).await.expect("a page");
    assert_eq!((names(&first), &first.previous_cursor), (vec!["d".to_owned(), "c".to_owned()], &None));
    let next = first.next_cursor.expect("there is more");
    let second = [("limit", "2"), ("cursor", next.as_str())];
    let second = world.page(&world.owner, PATH, &second).await.expect("a page");
    assert_eq!(names(&second), ["b", "a"]);
    let next = second.next_cursor.expect("there is more");
    let third = world.page(&world.owner, PATH, &[("cursor", next.as_str())]).await.expect("a page");
    assert_eq!((names(&third), &third.next_cursor), (vec!["default".to_owned()], &None));
    let back = second.previous_cursor.expect("there was one before");
    let again = [("limit", "2"), ("cursor", back.as_str())];
    assert_eq!(world.names(&again).await, ["d", "c"]);
}

async fn nothing_is_shown_twice_while_others_write(world: World) {
    world.groups(&["a", "b", "c"]).await;
    let first = world.page(&world.owner, PATH, &[("limit", "2")]).await.expect("a page");
    world.groups(&["later"]).await;
    let next = first.next_cursor.expect("there is more");
    assert_eq!(world.names(&[("cursor", &next)]).await, ["a", "default"]);
}

async fn cursors_are_bound_to_caller_path_and_filters(world: World) {
    world.groups(&["a", "b", "c"]).await;
    let page = world.page(&world.owner, PATH, &[("limit", "1"), ("q", "")]).await.expect("a page");
    let cursor = page.next_cursor.expect("there is more");
    let with = ("cursor", cursor.as_str());
    // Another size of page is still the same list, and so is the same filter.
    world
        .page(&world.owner, PATH, &[("q", ""), with, ("limit", "3"), ("count", "true")])
        .await
        .expect("a page");
    let other = world.actor(Permission::ALL, everywhere()).await;
    for (actor, path, pairs) in [
        (&other, PATH, vec![("q", ""), with]),
        (&world.owner, "/v1/elsewhere", vec![("q", ""), with]),
        (&world.owner, PATH, vec![("q", "a"), with]),
        (&world.owner, PATH, vec![("q", ""), ("sort", "name"), with]),
        (&world.owner, PATH, vec![("cursor", &cursor[1..])]),
        (&world.owner, PATH, vec![("cursor", "AAAA")]),
        (&world.owner, PATH, vec![("cursor", "")]),
    ] {
        let answer = world.page(actor, path, &pairs).await;
        assert!(
            matches!(&answer, Err(Error::BadQuery { parameter, .. }) if parameter == "cursor"),
            "{pairs:?}"
        );
    }
}

async fn sorted_and_searched(world: World) {
    world.groups(&["Zebra", "ant", "École", "50% off", "Ant hill"]).await;
    let by_name = world.names(&[("sort", "name")]).await;
    assert_eq!(by_name, ["50% off", "ant", "Ant hill", "default", "Zebra", "École"]);
    let mut backwards = world.names(&[("sort", "-name")]).await;
    backwards.reverse();
    assert_eq!(backwards, by_name);
    assert_eq!(world.names(&[("sort", "created_at"), ("limit", "2")]).await, ["default", "Zebra"]);
    assert_eq!(world.names(&[("q", "ANT")]).await, ["Ant hill", "ant"]);
    assert_eq!(world.names(&[("q", "e\u{301}COLE")]).await, ["École"]);
    assert_eq!(world.names(&[("q", "%")]).await, ["50% off"]);
    assert_eq!(world.names(&[("q", "_")]).await, Vec::<String>::new());
    // A filter given twice means either.
    let (here, never) = (world.organization_id.to_string(), "org_01k0vd4ntxe2ra9qv8bm4c4y3e");
    assert_eq!(world.names(&[("organization_id", never), ("q", "ant")]).await, Vec::<String>::new());
    let either = [("organization_id", never), ("organization_id", &here), ("q", "ant")];
    assert_eq!(world.names(&either).await.len(), 2);
}

async fn counted_when_asked(world: World) {
    world.groups(&["a", "b"]).await;
    let counted = [("count", "true"), ("limit", "1")];
    assert_eq!(world.page(&world.owner, PATH, &counted).await.expect("a page").total, Some(Some(3)));
    assert_eq!(world.page(&world.owner, PATH, &[]).await.expect("a page").total, None);
}

async fn what_no_list_takes_is_refused(world: World) {
    let long = "a".repeat(501);
    for (name, value) in [
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "many"),
        ("count", "yes"),
        ("sort", "colour"),
        ("sort", "--name"),
        ("colour", "red"),
        ("organization_id", "acme"),
        ("organization_id", "grp_01k0vd4ntxe2ra9qv8bm4c4y3e"),
        ("q", "a\nb"),
        ("q", &long),
    ] {
        let answer = world.page(&world.owner, PATH, &[(name, value)]).await;
        assert!(
            matches!(&answer, Err(Error::BadQuery { parameter, .. }) if parameter == name),
            "{name}={value}"
        );
    }
    let twice = world.page(&world.owner, PATH, &[("limit", "1"), ("limit", "2")]).await;
    assert!(matches!(twice, Err(Error::BadQuery { .. })));
}
