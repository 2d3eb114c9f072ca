//! The proof of the proof: each deliberate bug of the engine is found within a number of seeds, by
//! the check that is there for it.

use factum_engine::Sabotage;
use factum_sim::{Plan, simulate};

/// Runs seeds until one finds the bug.
fn finds(bug: Sabotage, seeds: u64) {
    let plan = |seed| Plan { sabotage: Some(bug), ..Plan::of(seed) };
    let found = (0..seeds).find_map(|seed| Some((seed, simulate(&plan(seed)).violation?)));
    let Some((seed, what)) = found else { panic!("{bug:?} was not found in {seeds} seeds") };
    println!("{bug:?} was found by seed {seed}: {what}");
}

#[test]
fn g2_an_acknowledgement_before_the_sync_is_found() {
    finds(Sabotage::AckBeforeSync, 200);
}

#[test]
fn g2_g3_an_event_shown_before_it_is_durable_is_found() {
    finds(Sabotage::ShownBeforeDurable, 300);
}

#[test]
fn g2_a_directory_that_is_not_synced_is_found() {
    finds(Sabotage::DirectoryNotSynced, 500);
}

#[test]
fn g2_a_sync_that_is_tried_again_after_an_error_is_found() {
    finds(Sabotage::SyncRetried, 500);
}

#[test]
fn g3_a_position_that_is_given_twice_is_found() {
    finds(Sabotage::PositionReused, 50);
}

#[test]
fn g3_an_index_entry_that_is_dropped_is_found() {
    finds(Sabotage::IndexEntryDropped, 200);
}

#[test]
fn g4_a_condition_that_is_checked_outside_its_group_is_found() {
    finds(Sabotage::ConditionOutsideGroup, 300);
}

#[test]
fn g4_g5_what_the_caller_saw_taken_for_the_present_is_found() {
    finds(Sabotage::ForesightTrusted, 300);
}

#[test]
fn g5_a_key_that_is_not_looked_up_is_found() {
    finds(Sabotage::KeyNotChecked, 100);
}

#[test]
fn g6_a_cursor_that_does_not_move_is_found() {
    finds(Sabotage::CursorStands, 100);
}

#[test]
fn g10_damage_that_is_cut_off_like_a_torn_tail_is_found() {
    finds(Sabotage::TailCutOnDamage, 500);
}

#[test]
fn g1_g10_a_frame_that_is_accepted_without_its_checksum_is_found() {
    finds(Sabotage::ChecksumIgnored, 500);
}

#[test]
fn retention_a_hidden_event_that_is_shown_is_found() {
    finds(Sabotage::HiddenShown, 100);
}

#[test]
fn retention_a_tombstone_that_is_ignored_is_found() {
    finds(Sabotage::TombstoneIgnored, 100);
}

#[test]
fn retention_a_compaction_that_drops_more_than_is_hidden_is_found() {
    finds(Sabotage::CompactionDropsMore, 100);
}

#[test]
fn g5_a_compaction_that_loses_keys_is_found() {
    finds(Sabotage::CompactionForgetsKeys, 300);
}

#[test]
fn g2_a_rewritten_segment_that_is_not_synced_is_found() {
    finds(Sabotage::CompactionNotSynced, 500);
}

#[test]
fn g2_a_generation_that_is_removed_before_the_next_is_durable_is_found() {
    finds(Sabotage::OldRemovedFirst, 500);
}

#[test]
fn g2_a_frame_behind_the_mark_of_a_clean_stop_is_found() {
    finds(Sabotage::MarkKept, 100);
}

#[test]
fn g10_a_mark_before_what_it_speaks_of_is_found() {
    finds(Sabotage::MarkBeforeSync, 1_000);
}

#[test]
fn g10_rot_that_is_served_by_a_ledger_that_is_open_is_found() {
    finds(Sabotage::RotServed, 500);
}

#[test]
fn g2_a_backup_of_what_is_not_durable_is_found() {
    finds(Sabotage::BackupOfUnsynced, 1_000);
}
