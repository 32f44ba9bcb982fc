//! What every database must do for the store, as one suite for both: SQLite in a file, and a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that can't go on may panic")]

mod api_documents;
mod appending;
mod beside;
mod checking;
mod git_integrations;
mod jobs;
mod key_pairs;
mod limits;
mod lists;
mod nouns;
mod opening;
mod shared_keys;
mod usage;
mod world;

/// One test for each of the functions, on each database.
macro_rules! contract {
    ($($module:ident::$test:ident,)*) => {
        mod sqlite {
            $(#[test]
            fn $test() {
                crate::world::run(async || crate::$module::$test(&crate::world::Place::sqlite()).await);
            })*
        }

        mod postgres {
            $(#[test]
            fn $test() {
                crate::world::run(async || crate::$module::$test(&crate::world::Place::postgres()).await);
            })*
        }
    };
}

contract! {
    opening::a_database_opens_twice_and_keeps_what_it_holds,
    opening::a_newer_schema_is_refused,
    opening::looking_changes_nothing,
    opening::several_nodes_open_at_once,
    opening::an_address_of_another_kind_is_refused,
    appending::positions_are_gapless_with_eight_writers,
    appending::a_refusal_writes_nothing,
    appending::a_failed_statement_is_never_committed,
    appending::what_was_appended_reads_back,
    appending::followers_are_woken,
    appending::an_event_that_does_not_fit_is_refused,
    appending::unique_names_are_held_by_the_database,
    nouns::every_noun_is_made_changed_and_deleted,
    nouns::key_sets_live_their_lives,
    nouns::sealed_values_are_wiped_when_they_have_no_use,
    nouns::sets_are_found_to_be_reused,
    nouns::slugs_belong_to_their_organization,
    nouns::users_of_things_are_named,
    nouns::the_snapshot_has_every_key,
    limits::the_snapshot_has_the_limits_of_every_policy_that_has_any,
    api_documents::documents_are_kept_once_and_versions_for_ever,
    shared_keys::shared_keys_live_their_lives,
    shared_keys::a_portal_session_ends_with_its_link,
    key_pairs::key_pairs_live_their_lives,
    key_pairs::a_list_shows_what_there_is_access_to,
    key_pairs::candidates_are_found_by_name_in_their_organization,
    lists::pages_go_on_and_back_without_gap_or_double,
    lists::totals_are_exact_to_ten_thousand,
    lists::nobody_sees_outside_their_scopes,
    lists::key_sets_are_filtered,
    lists::texts_are_found_among_few_and_among_many,
    lists::statuses_follow_the_clock,
    lists::the_audit_trail_is_filtered,
    checking::an_untouched_log_verifies,
    checking::a_changed_row_is_found,
    checking::a_truncated_log_is_found,
    checking::the_tables_follow_from_the_log,
    usage::a_batch_counts_once_however_often_it_is_handed_in,
    usage::a_batch_of_two_key_sets_for_one_key_holds_nothing_up,
    usage::nodes_add_up_and_minutes_hours_and_days_agree,
    usage::nobody_sees_what_was_counted_elsewhere,
    usage::sums_are_read_in_pages,
    usage::of_each_key_at_each_api_a_hundred_responses_are_kept,
    usage::what_is_old_is_forgotten_in_steps,
    usage::what_nobody_of_ours_wrote_is_left_out,
    usage::what_a_newer_program_wrote_waits_for_one,
    git_integrations::git_integrations_live_their_lives,
    jobs::jobs_run_end_and_are_forgotten,
    jobs::jobs_are_found_by_what_they_are_at_the_moment,
    jobs::what_a_node_was_at_is_cut_off_when_it_begins_anew,
    beside::idempotency_records_are_answered_again,
    beside::leases_have_one_holder,
    beside::last_used_only_moves_forward,
    beside::nodes_report_and_are_removed,
    beside::a_removed_node_shows_again_once_it_reports,
    beside::the_instance_is_remembered,
}
