//! Nobody's work is lost unless the caller says so (product.md B4).

use serde_json::{Value, json};

use super::installation::{Installation, PATH, file};

#[test]
fn b4_local_edits_are_not_lost_by_a_pull() {
    let it = Installation::new();
    let pair = it.welcome_pair();
    let repository = it.host.repository("orders", &[(PATH, &file("Theirs"))]);
    it.set_up("orders", &it.integration(&repository, &pair));
    it.succeeds("orders", "pull", &json!({}));
    assert_eq!(it.title("orders"), "Theirs", "an empty document is never a conflict");
    it.edit("orders", "Ours");
    repository.commit("main", &[(PATH, &file("Theirs, too"))]);
    assert_eq!(it.fails("orders", "pull", &json!({})), "out_of_sync");
    assert_eq!(it.fails("orders", "pull", &json!({"out_of_sync": "abort"})), "out_of_sync");
    assert_eq!(it.title("orders"), "Ours", "refused: nothing has changed");
    it.succeeds("orders", "pull", &json!({"out_of_sync": "overwrite"}));
    assert_eq!(it.title("orders"), "Theirs, too");
    // Both sides have come to the same: that is no conflict, and from here on they are in sync.
    it.edit("orders", "The same");
    repository.commit("main", &[(PATH, &file("The same"))]);
    assert_eq!(it.succeeds("orders", "pull", &json!({}))["outcome"]["changed"], false);
    assert_eq!(it.get("/v1/apis/orders/git-integration")["edited"], false);
    // Only the host has changed: that is what a pull is for.
    repository.commit("main", &[(PATH, &file("News"))]);
    it.succeeds("orders", "pull", &json!({}));
    assert_eq!(it.title("orders"), "News");
}

#[test]
fn b4_what_changed_at_the_host_is_not_lost_by_a_push() {
    let it = Installation::new();
    let pair = it.welcome_pair();
    let repository = it.host.repository("orders", &[(PATH, &file("Theirs"))]);
    it.set_up("orders", &it.integration(&repository, &pair));
    it.edit("orders", "Ours");
    assert_eq!(it.fails("orders", "push", &json!({})), "out_of_sync", "it was never pulled");
    assert_eq!(repository.read("main", PATH), Some(file("Theirs")));
    it.succeeds("orders", "push", &json!({"out_of_sync": "overwrite"}));
    assert_eq!(repository.read("main", PATH), Some(file("Ours")));
    // Other files of the branch may change as they like.
    repository.commit("main", &[("README", b"Hello")]);
    it.edit("orders", "Ours, too");
    it.succeeds("orders", "push", &json!({}));
    repository.commit("main", &[(PATH, &file("Theirs again"))]);
    let tip = repository.tip("main").unwrap();
    it.edit("orders", "Ours again");
    assert_eq!(it.fails("orders", "push", &json!({})), "out_of_sync");
    assert_eq!(repository.tip("main"), Some(tip.clone()));
    it.succeeds("orders", "push", &json!({"out_of_sync": "overwrite"}));
    assert_eq!(repository.git(&["rev-parse", "main^"]), tip, "on top of theirs, never in place of it");
    assert_eq!(repository.read("main", PATH), Some(file("Ours again")));
}

#[test]
fn b4_of_two_pushes_at_once_one_wins_and_the_other_is_told() {
    let it = Installation::new();
    let pair = it.welcome_pair();
    it.api("returns");
    let repository = it.host.repository("orders", &[(PATH, &file("Theirs"))]);
    let integration = it.integration(&repository, &pair);
    for round in 0..3 {
        for api in ["orders", "returns"] {
            it.set_up(api, &integration);
            it.succeeds(api, "pull", &json!({"out_of_sync": "overwrite"}));
            it.edit(api, &format!("{api} {round}"));
        }
        let before = repository.tip("main").unwrap();
        let begun = ["orders", "returns"].map(|api| it.begin(api, "push", &json!({})));
        let ended = begun.map(|job| it.ended(&job));
        let won = ended.iter().filter(|job| job["status"] == "succeeded").count();
        let told = ended.iter().filter(|job| job["errors"][0]["code"] == "out_of_sync").count();
        assert_eq!((won, told), (1, 1), "{ended:?}");
        assert_eq!(repository.git(&["rev-parse", "main^"]), before, "one commit");
        let winner = usize::from(ended[1]["status"] == "succeeded");
        let title = format!("{} {round}", ["orders", "returns"][winner]);
        assert_eq!(repository.read("main", PATH), Some(file(&title)));
        for api in ["orders", "returns"] {
            assert_eq!(it.title(api), Value::from(format!("{api} {round}")), "nobody's edit is lost here");
        }
    }
    it.demand_nothing_left();
}
