//! The contract of [`MessageLog`](chinwag::storage::MessageLog), checked on every kind of log: the
//! embedded one, in a directory and in memory.

use chinwag::storage::embedded::log::Store;

mod directory;
mod failing;
mod forgetting;
mod model;
mod order;
mod reading;
mod searching;
mod test_log;

/// Runs a test on a log in a directory and on one in memory.
macro_rules! on_every_log {
    ($($module:ident::$story:ident),* $(,)?) => {
        mod in_a_directory {
            $(#[tokio::test]
            async fn $story() {
                let directory = tempfile::tempdir().unwrap();
                let test = super::test_log::TestLog::at(directory.path());
                super::$module::$story(&test).await;
            })*
        }
        mod in_memory {
            $(#[tokio::test]
            async fn $story() {
                let test = super::test_log::TestLog::open(super::Store::Memory);
                super::$module::$story(&test).await;
            })*
        }
    };
}

on_every_log! {
    order::messages_are_ordered_and_chained,
    order::the_listener_is_called_before_the_sender,
    order::a_retry_is_not_a_duplicate,
    order::a_retry_beside_its_first_is_not_a_duplicate,
    order::an_id_belongs_to_one_message_of_its_sender,
    reading::a_room_is_read_both_ways,
    reading::a_slice_is_cut_at_its_bytes,
    reading::rooms_are_listed_by_name,
    reading::a_time_leads_to_a_position,
    reading::readers_proceed_beside_writers,
    order::a_closed_log_refuses,
    searching::words_are_found,
    searching::case_accents_and_forms_do_not_matter,
    searching::scripts_without_blanks_and_emoji_are_found,
    searching::no_hit_comes_twice_while_others_post,
    searching::a_search_can_be_narrowed,
    searching::found_words_are_marked_where_they_are,
    searching::hostile_queries_are_answered_or_refused,
    searching::the_best_or_the_latest_come_first,
    forgetting::retention_by_count_removes_old_messages,
    forgetting::retention_by_age_removes_old_messages,
    forgetting::retention_leaves_no_silent_gap,
    forgetting::a_room_without_posts_is_removed_and_its_sequence_goes_on,
}
