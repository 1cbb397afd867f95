//! The laws of the database, one suite mounted on every implementor, and what is SQLite's own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod applications;
mod commits;
mod documents;
mod file;
mod fleet;
mod group;
mod journals;
mod kill;
mod messages;
mod place;
mod random;
mod samples;
mod work;

/// Mounts each law on each place.
macro_rules! laws {
    ($($module:ident: $($law:ident)*;)*) => {
        laws!(@mount memory, crate::place::Memory, $($($module $law,)*)*);
        laws!(@mount sqlite, crate::place::Sqlite, $($($module $law,)*)*);
    };
    (@mount $name:ident, $place:ty, $($module:ident $law:ident,)*) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $law() {
                    crate::$module::$law(&<$place>::default()).await;
                }
            )*
        }
    };
}

laws! {
    applications:
        publications_follow_one_another
        names_of_applications_are_theirs
        associated_applications_stay
        serials_only_rise
        statements_are_signed_by_more
        later_states_stay
        states_come_in_pages
        a_removed_computer_takes_its_applications_along;
    commits:
        everything_reads_back_after_reopening
        putting_the_same_again_changes_nothing
        a_refused_write_leaves_nothing
        a_dropped_commit_is_done_or_not
        a_lower_fence_writes_nothing
        numbers_that_do_not_fit_are_refused;
    documents:
        documents_are_named_without_case_within_their_kind
        documents_that_are_not_there_cannot_be_removed;
    fleet:
        names_are_told_apart_without_case
        groups_hold_groups_but_never_themselves
        groups_with_members_stay
        computers_are_listed_and_searched
        agent_keys_belong_to_one_computer
        tokens_are_refused_when_spent_expired_or_revoked
        tokens_count_uses_of_many_at_once;
    journals:
        journals_have_no_gaps
        deployment_records_have_no_gaps
        journals_outlive_their_projection
        journals_of_open_runs_come_in_pages;
    messages:
        messages_are_kept_once_and_numbered
        unread_messages_come_in_pages_latest_first;
    work:
        revisions_follow_one_another
        warrants_and_effects_never_change
        copies_follow_one_another
        runs_that_were_replaced_are_not_counted
        deployments_come_latest_first
        an_activity_starts_one_deployment
        runs_are_found_and_counted
        runs_stay_with_their_computer
        events_come_latest_first;
    group:
        only_the_wrong_submission_is_refused
        submissions_keep_their_order
        many_appenders_lose_nothing
        a_fenced_writer_writes_nothing;
}
