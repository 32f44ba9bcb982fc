//! Work that goes on after its request was answered.

use crate::rest::verb::{Noun, column, filter, listing, reading};

pub(super) const JOBS: Noun = Noun {
    name: "jobs",
    about: "Pulls and pushes of OpenAPI documents, and how they ended",
    verbs: &[
        listing(
            "List jobs, newest first",
            "/v1/jobs",
            &[
                column("id", "/id"),
                column("kind", "/kind"),
                column("API", "/api/slug"),
                column("status", "/status"),
                column("error", "/errors/0/code"),
                column("started by", "/started_by/name"),
                column("started", "/started_at"),
                column("finished", "/finished_at"),
            ],
        )
        .flags(&[&[
            filter("api-id", "Only on this API, by id or slug"),
            filter("kind", "git_pull or git_push"),
            filter("status", "running, succeeded or failed"),
        ]]),
        reading("show", "Show one job, and why it failed if it did", "/v1/jobs/{id}"),
    ],
};
