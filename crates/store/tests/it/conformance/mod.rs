//! The contract `weir_sdk::store::Store` as cases: each takes an empty store and knows nothing of how it stores.

pub(crate) mod given;
mod lists;
mod memory;
mod runs;
mod search;
mod tasks;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use weir_sdk::store::Store;

pub(crate) type Case = fn(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! cases {
    ($($file:ident :: $case:ident),+ $(,)?) => {
        &[$((
            concat!(stringify!($file), "::", stringify!($case)),
            |store| Box::pin($file::$case(store)),
        )),+]
    };
}

pub(crate) const CASES: &[(&str, Case)] = cases![
    lists::a_list_is_stored_whole_or_not_at_all,
    lists::a_failing_list_leaves_its_neighbours_alone,
    lists::many_callers_at_once_each_get_their_own_answer,
    lists::sequences_rise_and_are_never_given_twice,
    tasks::a_task_lives_from_queue_to_history,
    tasks::a_change_that_comes_too_late_is_a_conflict,
    tasks::a_forgiven_attempt_unbinds_what_never_tried,
    tasks::effects_are_intended_answered_and_taken_back,
    tasks::live_tasks_come_in_chunks_by_sequence,
    tasks::an_attempt_may_be_recorded_behind_the_end,
    tasks::counts_follow_the_tasks,
    memory::versions_of_a_delivery_never_go_back,
    memory::a_filtered_key_keeps_what_was_delivered,
    memory::read_sets_are_replaced_and_asked_for,
    memory::links_are_found_by_key_and_by_text,
    memory::lookup_rows_and_documents_are_put_and_removed,
    memory::scopes_do_not_see_each_other,
    runs::a_page_moves_cursor_and_counters_with_its_tasks,
    runs::a_page_of_an_ended_run_is_refused,
    runs::releases_are_numbered_and_never_change,
    runs::snapshots_remember_the_last_hash,
    search::pages_go_through_live_finished_and_filed_tasks,
    search::a_page_stays_good_while_tasks_move_to_their_day_files,
    search::each_filter_narrows,
    search::tasks_are_shown_whole_wherever_they_lie,
    search::a_wrong_page_is_refused,
    search::expired_dead_tasks_leave_the_live_ones,
    search::tidying_goes_on_where_it_stopped,
];
