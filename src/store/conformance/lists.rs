//! Which cases a store goes through: those of records, and those of leases where it has them.

macro_rules! cases {
    ($fixture:expr; $($case:ident)*) => {
        $(#[tokio::test] async fn $case() {
            // `None` for a server that there is none of.
            let Some(fixture) = Option::<Fixture>::from($fixture) else { return };
            super::in_time(super::$case(fixture)).await;
        })*
    };
}

macro_rules! record_cases {
    ($fixture:expr) => {
        cases! { $fixture;
            an_empty_store_has_no_record
            a_record_comes_back_as_it_was_saved
            what_a_record_lacks_it_lacks_when_it_comes_back
            a_first_save_does_not_overwrite_a_record
            a_save_replaces_the_revision_it_saw_and_no_other
            every_save_is_later_than_those_before_it_removals_or_not
            an_edit_by_hand_is_a_later_revision
            a_removed_record_is_gone_and_its_revision_never_comes_again
            a_removal_is_later_than_the_record_and_earlier_than_the_next
            a_record_set_aside_is_not_loaded_and_makes_room_for_the_next
            a_record_written_meanwhile_is_not_set_aside
            services_with_any_names_have_records_of_their_own
            of_writers_that_saw_the_same_revision_one_wins
            a_sealed_record_that_does_not_open_stays_until_a_save_replaces_it
            a_plain_token_is_used_only_where_it_is_accepted
            the_columns_of_a_sealed_record_are_not_trusted
            a_record_moved_to_another_service_is_not_used
            no_column_reveals_anything_about_a_sealed_record
            an_edit_of_the_columns_of_a_sealed_record_is_not_a_new_revision
            a_note_is_kept_until_it_is_deleted
            a_note_and_a_record_leave_each_other_alone
            services_have_notes_of_their_own
        }
    };
}

macro_rules! lease_cases {
    ($fixture:expr) => {
        cases! { $fixture;
            a_lease_belongs_to_one_owner_until_it_ends
            a_lease_needs_no_record_and_is_not_one
            services_have_leases_of_their_own
            its_owner_takes_a_lease_again_under_a_new_fence
            a_renewed_lease_lasts_from_its_renewal
            a_released_lease_is_free_at_once_and_only_its_own_fence_releases_it
            a_late_save_of_a_former_holder_is_refused
            a_save_under_a_fence_ends_the_lease_and_a_conflict_does_not
            a_removal_ends_the_lease_so_that_what_its_holder_brings_is_not_stored
            a_note_goes_to_the_next_holders_until_a_save
            a_claim_that_waited_for_its_turn_does_not_take_a_lease_granted_meanwhile
            a_clock_set_back_by_a_day_does_not_hold_a_lease_for_a_day
            of_claimants_at_once_one_gets_the_lease
        }
    };
}

macro_rules! conformance {
    ($($store:ident: $fixture:expr;)*) => {
        $(mod $store {
            use super::Fixture;
            record_cases!($fixture);
            lease_cases!($fixture);
        })*
    };
}

macro_rules! conformance_without_leases {
    ($($store:ident: $fixture:expr;)*) => {
        $(mod $store {
            use super::Fixture;
            record_cases!($fixture);
        })*
    };
}
