//! Jobs: begun, ended once, cut off, found and forgotten.

use claviger_domain::event::{ActorRef, Position};
use claviger_domain::id::{JobId, NodeId};
use claviger_domain::jobs::{INTERRUPTED, Job, JobEnd, JobError, JobKind, JobOutcome, JobStatus};
use claviger_domain::scope::Scope;
use claviger_store::{JobFilter, JobSort, ListQuery, Store, Visible};

use crate::world::{Place, World, id, later, start};

fn job(world: &World, kind: JobKind, node_id: NodeId, started: &str) -> Job {
    Job {
        id: id(),
        kind,
        api_id: world.api_id,
        organization_id: world.organization_id,
        group_id: world.group_id,
        actor: ActorRef::system("test"),
        node_id,
        started_at: later(started),
        ends_by: later(started).plus_seconds(600),
        end: None,
    }
}

async fn begin(store: &Store, job: &Job) {
    let begun = store.commit("test", |tx| Box::pin(async move { tx.begin_job(job).await }));
    let (_, position) = begun.await.unwrap();
    assert!(position > Position(0), "the world's own");
}

async fn end(store: &Store, id: JobId, end: &JobEnd) {
    let ended = store.commit("test", |tx| Box::pin(async move { tx.end_job(id, end).await }));
    ended.await.unwrap();
}

async fn interrupt(store: &Store, node_id: NodeId, now: &str) -> u64 {
    let now = later(now);
    let work = store.commit("test", |tx| Box::pin(async move { tx.interrupt_jobs(node_id, now).await }));
    work.await.unwrap().0
}

async fn read(store: &Store, id: JobId) -> Option<Job> {
    store.read().await.unwrap().job(id).await.unwrap()
}

fn succeeded(at: &str) -> JobEnd {
    JobEnd { at: later(at), result: Ok(JobOutcome { changed: true, commit: "c0ffee".to_owned() }) }
}

fn failed(at: &str) -> JobEnd {
    let error = JobError { pointer: Some("/paths".to_owned()), ..JobError::new("invalid_document", "No.") };
    JobEnd { at: later(at), result: Err(vec![error]) }
}

pub(crate) async fn jobs_run_end_and_are_forgotten(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let node: NodeId = id();
    let (pull, push) =
        (job(&world, JobKind::GitPull, node, "PT0S"), job(&world, JobKind::GitPush, node, "PT1S"));
    begin(&store, &pull).await;
    begin(&store, &push).await;
    assert_eq!(read(&store, pull.id).await, Some(pull.clone()));
    let running =
        async |now: &str| store.read().await.unwrap().running_jobs(world.api_id, later(now)).await.unwrap();
    assert_eq!(running("PT2S").await, 2);
    end(&store, pull.id, &succeeded("PT3S")).await;
    end(&store, push.id, &failed("PT4S")).await;
    assert_eq!(running("PT5S").await, 0);
    assert_eq!(read(&store, pull.id).await.unwrap().end, Some(succeeded("PT3S")));
    assert_eq!(read(&store, push.id).await.unwrap().end, Some(failed("PT4S")));
    end(&store, pull.id, &failed("PT9S")).await;
    assert_eq!(read(&store, pull.id).await.unwrap().end, Some(succeeded("PT3S")), "the first end counts");
    let forget = async |limit: &str| {
        let limit = later(limit);
        let work = store.commit("test", |tx| Box::pin(async move { tx.forget_jobs(limit).await }));
        work.await.unwrap().0
    };
    assert_eq!(forget("PT3S").await, 0);
    assert_eq!(forget("PT4S").await, 1);
    assert_eq!((read(&store, pull.id).await, read(&store, push.id).await.is_some()), (None, true));
    let report = store.read().await.unwrap().verify_state().await.unwrap();
    assert_eq!(report.fault, None, "jobs stand beside the log");
}

pub(crate) async fn jobs_are_found_by_what_they_are_at_the_moment(place: &Place) {
    let store = place.open().await;
    let (world, other) = (World::make(&store).await, World::make(&store).await);
    let node: NodeId = id();
    let jobs = [
        job(&world, JobKind::GitPull, node, "PT0S"),
        job(&world, JobKind::GitPush, node, "PT1M"),
        job(&world, JobKind::GitPull, node, "PT2M"),
        job(&other, JobKind::GitPull, node, "PT3M"),
    ];
    for job in &jobs {
        begin(&store, job).await;
    }
    end(&store, jobs[1].id, &failed("PT2M")).await;
    end(&store, jobs[2].id, &succeeded("PT3M")).await;
    let everything = Visible::everything();
    let own = Visible::within([Scope { organization_id: Some(world.organization_id), ..Scope::EVERYTHING }]);
    let of_group = Visible::within([Scope {
        organization_id: Some(other.organization_id),
        group_id: Some(other.group_id),
        environment_id: None,
    }]);
    let found = async |visible: &Visible, now: &str, change: fn(&mut JobFilter)| {
        let mut filter =
            JobFilter { now: later(now), api_ids: Vec::new(), kinds: Vec::new(), statuses: Vec::new() };
        change(&mut filter);
        let query = ListQuery {
            limit: 50,
            sort: JobSort::StartedAt,
            descending: false,
            cursor: None,
            visible: visible.clone(),
            filter,
            count: true,
        };
        let page = store.read().await.unwrap().jobs(&query).await.unwrap();
        let place = |id: JobId| jobs.iter().position(|job| job.id == id).unwrap();
        page.items.iter().map(|job| place(job.id)).collect::<Vec<_>>()
    };
    assert_eq!(found(&everything, "PT4M", |_| {}).await, [0, 1, 2, 3]);
    assert_eq!(found(&own, "PT4M", |_| {}).await, [0, 1, 2]);
    assert_eq!(found(&of_group, "PT4M", |_| {}).await, [3]);
    assert_eq!(found(&Visible::default(), "PT4M", |_| {}).await, [0_usize; 0]);
    assert_eq!(found(&own, "PT4M", |it| it.kinds = vec![JobKind::GitPush]).await, [1]);
    assert_eq!(found(&own, "PT4M", |it| it.statuses = vec![JobStatus::Running]).await, [0]);
    assert_eq!(found(&own, "PT4M", |it| it.statuses = vec![JobStatus::Failed]).await, [1]);
    let ended = |it: &mut JobFilter| it.statuses = vec![JobStatus::Failed, JobStatus::Succeeded];
    assert_eq!(found(&own, "PT4M", ended).await, [1, 2]);
    // Past its time, though nobody recorded it.
    assert_eq!(found(&own, "PT11M", |it| it.statuses = vec![JobStatus::Failed]).await, [0, 1]);
    assert_eq!(found(&own, "PT11M", |it| it.statuses = vec![JobStatus::Running]).await, [0_usize; 0]);
}

pub(crate) async fn what_a_node_was_at_is_cut_off_when_it_begins_anew(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let (mine, others): (NodeId, NodeId) = (id(), id());
    let own = job(&world, JobKind::GitPush, mine, "PT0S");
    let of_another = job(&world, JobKind::GitPull, others, "PT1S");
    let ended = job(&world, JobKind::GitPull, mine, "PT2S");
    for job in [&own, &of_another, &ended] {
        begin(&store, job).await;
    }
    end(&store, ended.id, &succeeded("PT3S")).await;
    assert_eq!(interrupt(&store, mine, "PT1M").await, 1);
    let cut_off = read(&store, own.id).await.unwrap().end.unwrap();
    assert_eq!((cut_off.at, cut_off.result.unwrap_err()[0].code.as_str()), (later("PT1M"), INTERRUPTED));
    assert_eq!(read(&store, ended.id).await.unwrap().end, Some(succeeded("PT3S")));
    assert_eq!(read(&store, of_another.id).await.unwrap().end, None, "another node is at it");
    assert_eq!(interrupt(&store, mine, "PT11M").await, 1, "past its time, whoever was at it");
    assert!(read(&store, of_another.id).await.unwrap().end.unwrap().result.is_err());
    assert_eq!(interrupt(&store, mine, "PT12M").await, 0);
    assert!(own.started_at == start());
}
