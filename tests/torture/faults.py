"""The faults and attacks that Muniment has to withstand, and the tests that try each of them.

docs/reliability.md shows this table; `make torture` runs all its tests.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault or attack: what is done to Muniment, and what has to hold."""

    number: int
    name: str
    done: str
    holds: str
    #: files below tests, or single tests: "unit/test_x.py::test_y"
    tests: tuple[str, ...]
    #: what is not tried, and why
    left_out: str = ""


@dataclass(frozen=True)
class Group:
    """Faults of one subject."""

    title: str
    faults: tuple[Fault, ...]


DURABILITY = Group(
    "Store and machine",
    (
        Fault(
            number=1,
            name="kill -9 while writing, SQLite",
            done="The program is killed under load, again and again, at random times; the disk "
            "loses what no fsync() has brought to it.",
            holds="The archive has every acknowledged message once, in order. Copies that are "
            "missing are in a recorded gap.",
            tests=(
                "torture/test_program.py"
                "::test_acknowledged_messages_survive_kills_at_random_times",
                "torture/test_disks.py::test_acknowledged_messages_survive_a_power_cut",
                "integration/test_resilience.py"
                "::test_acknowledged_messages_survive_a_crash_under_load",
                "contract/sqlite/test_database.py::test_acknowledged_batches_survive_sigkill",
                "integration/test_take_over.py"
                "::test_killed_process_leaves_a_gap_that_pages_show_until_it_is_filled",
            ),
        ),
        Fault(
            number=2,
            name="kill -9 while writing, PostgreSQL",
            done="Processes of Muniment and the database are killed under load.",
            holds="The archive has every acknowledged message once, in order; the other processes "
            "go on.",
            tests=(
                "torture/test_postgres.py::test_killed_database_has_what_was_acknowledged",
                "integration/test_processes.py::test_each_message_is_stored_once_while_processes_"
                "are_killed_stopped_and_started",
                "contract/postgres/test_database.py"
                "::test_acknowledged_message_is_on_disk_unless_configured",
            ),
        ),
        Fault(
            number=3,
            name="kill -9 between commit and answer",
            done="The store has a message, its sender gets no answer and sends it again.",
            holds="The archive has the message once.",
            tests=(
                "torture/test_connections.py::test_lost_answers_to_posts_make_no_duplicates",
                "integration/test_sending.py::test_same_id_after_a_restart_is_one_message",
                "integration/test_ejabberd_api.py"
                "::test_message_with_the_id_of_one_before_a_restart_is_sent_once",
                "integration/test_events.py"
                "::test_poller_misses_nothing_over_sigkill_and_gets_nothing_twice",
                "integration/test_push.py::test_receiver_misses_nothing_over_sigkill_of_muniment",
                "contract/test_archive_contract.py::test_same_dedup_key_is_stored_once_across_batches",
            ),
        ),
        Fault(
            number=4,
            name="full disk",
            done="The disk of the store is full for a while.",
            holds="Posts are refused, pages are still read, the program reports that it is not "
            "ready; with space again, every message is in the archive once, in order.",
            tests=(
                "torture/test_disks.py::test_full_disk_refuses_posts_and_loses_nothing",
                "torture/test_disks.py"
                "::test_program_that_stops_on_a_full_disk_writes_everything_later",
                "contract/sqlite/test_database.py"
                "::test_batch_on_a_full_disk_is_stored_whole_or_not_at_all",
                "contract/sqlite/test_database.py::test_check_fails_on_a_full_disk",
                "integration/test_program_exit.py"
                "::test_rows_unwritten_at_shutdown_are_written_once_at_the_next_start",
            ),
        ),
        Fault(
            number=5,
            name="read-only folder, failing disk",
            done="The folder of the store cannot be written, at the start and later; the disk "
            "reports errors under load.",
            holds="The start ends with the path and the reason; a running program refuses posts "
            "and loses nothing that it acknowledged.",
            tests=(
                "torture/test_disks.py::test_disk_that_fails_loses_nothing_that_was_acknowledged",
                "torture/test_disks.py::test_start_on_a_failed_disk_ends_with_the_reason",
                "contract/sqlite/test_database.py::test_read_only_folder_is_unavailable",
                "unit/web/test_web_health.py::test_process_with_a_read_only_store_is_not_ready",
                "unit/test_cli.py::test_check_config_reports_an_unusable_folder",
            ),
        ),
        Fault(
            number=6,
            name="locked store, slow disk",
            done="Another program locks the file of the store for 30 seconds; the disk hangs "
            "again and again.",
            holds="Messages wait, and are in the archive once, in order.",
            tests=(
                "torture/test_program.py::test_locked_store_delays_messages_and_loses_none",
                "torture/test_disks.py::test_disk_that_hangs_delays_answers_and_loses_nothing",
                "contract/sqlite/test_database.py"
                "::test_write_succeeds_after_the_lock_of_another_program",
            ),
        ),
        Fault(
            number=7,
            name="damaged file",
            done="Pages of the file are overwritten, the file or its log is cut off.",
            holds="The store is refused or the damage is an error that names the file, never a "
            "shorter archive.",
            tests=(
                "contract/sqlite/test_database.py"
                "::test_damaged_page_is_an_error_and_not_an_empty_archive",
                "contract/sqlite/test_database.py"
                "::test_truncated_file_is_an_error_and_not_a_short_archive",
                "contract/sqlite/test_database.py"
                "::test_file_that_is_no_database_is_refused_by_name",
                "contract/test_verification.py::test_damage_is_found",
                "unit/test_moving_commands.py::test_damaged_file_is_named",
                "unit/storage/test_spill.py",
            ),
        ),
        Fault(
            number=8,
            name="two programs on one store",
            done="A second program opens the same store, also by another name of the file.",
            holds="The second one ends and says why; the first one goes on.",
            tests=(
                "integration/test_resilience.py::test_second_process_on_the_same_archive_exits",
                "contract/sqlite/test_database.py"
                "::test_second_process_is_locked_and_the_error_names_the_file",
                "contract/sqlite/test_database.py::test_symbolic_link_to_an_open_store_is_locked",
                "contract/sqlite/test_database.py::test_hard_link_to_an_open_store_is_locked",
                "contract/postgres/test_database.py::test_second_process_is_refused",
                "integration/test_program_exit.py"
                "::test_second_program_on_a_taken_port_exits_without_connecting",
            ),
        ),
        Fault(
            number=9,
            name="database away, frozen or slow",
            done="PostgreSQL is away, is frozen, and answers each query after seconds.",
            holds="The program is not ready, its queue is bounded, and every message is in the "
            "archive once, in order.",
            tests=(
                "torture/test_postgres.py"
                "::test_database_that_is_away_delays_messages_and_loses_none",
                "torture/test_postgres.py::test_frozen_database_delays_messages_and_loses_none",
                "torture/test_postgres.py::test_slow_database_delays_messages_and_loses_none",
                "integration/test_postgresql.py"
                "::test_messages_of_an_outage_of_the_database_are_archived",
                "integration/test_program_exit.py::test_memory_is_bounded_while_the_store_fails",
                "contract/postgres/test_database.py"
                "::test_missing_database_is_unavailable_without_the_password",
                "contract/postgres/test_database.py"
                "::test_read_waits_for_a_connection_for_a_limited_time",
                "unit/core/test_writer.py"
                "::test_messages_of_an_outage_are_stored_in_order_after_it",
                "unit/web/test_web_health.py::test_process_with_a_failing_writer_is_not_ready",
            ),
        ),
        Fault(
            number=10,
            name="lost connections to the database",
            done="The connections to PostgreSQL are cut and the server restarts.",
            holds="Writes are repeated without a duplicate, reads go on.",
            tests=(
                "torture/test_postgres.py::test_connections_that_are_cut_lose_and_repeat_nothing",
                "contract/postgres/test_database.py::test_lost_writing_connection_is_made_anew",
                "contract/postgres/test_database.py::test_store_survives_a_restart_of_the_server",
                "contract/postgres/test_database.py"
                "::test_host_that_answers_is_found_among_several",
                "contract/postgres/test_processes.py::test_lease_is_lost_with_the_connection",
            ),
            left_out="A fail-over between servers of a cluster is tried on its own, as "
            "docs/postgresql.md says.",
        ),
        Fault(
            number=11,
            name="interrupted or foreign migration",
            done="A migration fails or is killed half-way; the store is newer than the program.",
            holds="The store is as before or migrated; a newer or changed one is refused by name.",
            tests=("contract/sqlite/test_migrations.py",),
        ),
        Fault(
            number=12,
            name="backup under load",
            done="A backup is made while messages are written, and restored.",
            holds="It has the store of its moment and passes the verification.",
            tests=(
                "torture/test_program.py::test_backup_under_load_has_what_was_acknowledged_before",
                "contract/test_verification.py"
                "::test_backup_has_the_store_of_its_moment_while_others_write",
                "integration/test_operations.py"
                "::test_restored_backup_has_the_messages_of_its_time",
                "unit/test_moving_commands.py::test_backup_is_verified_and_restores_the_store",
            ),
        ),
        Fault(
            number=13,
            name="clock that jumps",
            done="The clock goes forward and back by an hour, and over the end of summer time.",
            holds="Every message is in the archive once, in the order of arrival; ids stay in "
            "order.",
            tests=(
                "torture/test_program.py::test_clock_that_jumps_loses_and_repeats_nothing",
                "unit/core/test_ingest.py::test_clock_set_back_loses_no_message",
                "unit/core/test_ingest.py::test_clock_set_back_stores_no_message_twice",
                "contract/test_archive_contract.py::test_order_is_that_of_arrival_despite_times",
                "contract/sqlite/test_late_messages.py",
                "unit/core/test_sign_ins.py"
                "::test_user_signs_in_after_a_revocation_and_a_clock_that_is_set_back",
                "unit/core/test_sign_ins.py"
                "::test_reuse_after_the_clock_was_set_back_revokes_the_sign_in",
            ),
            left_out="A message of which one copy arrives before a jump and another one after "
            "it: it may be stored twice. Leap seconds: Linux repeats a second, as a small jump.",
        ),
        Fault(
            number=14,
            name="stop under load",
            done="SIGTERM while messages arrive, also with a store that cannot be written.",
            holds="The program ends in time and has lost no delivered message.",
            tests=(
                "integration/test_resilience.py"
                "::test_shutdown_under_load_loses_no_delivered_message",
                "integration/test_program_exit.py"
                "::test_unread_copies_are_spilled_at_shutdown_with_a_full_queue",
                "integration/test_program_exit.py"
                "::test_shutdown_without_store_and_spill_file_reports_lost_rows",
                "integration/test_take_over.py::test_no_message_is_lost_or_stored_twice_while_"
                "processes_take_over_under_load",
                "unit/test_shutdown.py",
            ),
        ),
        Fault(
            number=15,
            name="no more file descriptors and memory",
            done="Connections take all file descriptors of the program; it gets no more memory.",
            holds="Messages are archived meanwhile; requests are answered again afterwards. "
            "Without memory, what was acknowledged is in the archive after a restart.",
            tests=(
                "torture/test_program.py::test_program_without_file_descriptors_goes_on_archiving",
                "torture/test_program.py::test_program_without_memory_keeps_what_it_acknowledged",
                "unit/web/test_web_connection_limit.py",
            ),
        ),
        Fault(
            number=16,
            name="long load",
            done="Messages, queries and streams go on and on.",
            holds="Memory and file descriptors stop growing.",
            tests=(
                "torture/test_program.py::test_long_load_takes_no_more_memory_and_descriptors",
                "unit/xmpp/test_connection.py::test_long_outage_leaves_no_objects_behind",
            ),
        ),
    ),
)

STREAM = Group(
    "Connection to ejabberd",
    (
        Fault(
            number=17,
            name="restart of ejabberd",
            done="ejabberd restarts, or starts after Muniment.",
            holds="Muniment connects again within 30 seconds, with growing random pauses.",
            tests=(
                "integration/test_resilience.py"
                "::test_archive_is_available_after_ejabberd_restarts",
                "integration/test_resilience.py"
                "::test_muniment_started_before_ejabberd_connects_later",
                "unit/xmpp/test_connection.py::test_pauses_between_attempts_grow_up_to_a_limit",
                "unit/xmpp/test_connection.py::test_pauses_differ_from_one_component_to_the_next",
            ),
        ),
        Fault(
            number=18,
            name="refused connection",
            done="The secret is wrong, the server does not know the domain, or has it already.",
            holds="The program ends with a code and a reason, or tries again with pauses.",
            tests=(
                "integration/test_resilience.py::test_wrong_secret_ends_the_program",
                "unit/xmpp/test_connection.py"
                "::test_wrong_secret_ends_the_connector_with_a_clear_message",
                "unit/xmpp/test_connection.py"
                "::test_stream_error_in_the_configuration_ends_the_connector",
                "unit/xmpp/test_connection.py::test_transient_stream_error_is_retried",
            ),
        ),
        Fault(
            number=19,
            name="frozen server and lost connections",
            done="ejabberd freezes, and so does Muniment; the connection is cut again and again, "
            "or swallows everything without closing.",
            holds="A ping notices it, Muniment connects again, and what is missing is in a "
            "recorded gap; nothing is stored twice. A message of which one copy was lost with the "
            "connection may come two seconds late in the archive of its recipient.",
            tests=(
                "torture/test_connections.py"
                "::test_connection_that_is_cut_leaves_gaps_and_nothing_twice",
                "torture/test_connections.py::test_connection_that_passes_nothing_on_is_noticed",
                "torture/test_connections.py::test_frozen_ejabberd_leaves_a_gap_and_nothing_twice",
                "torture/test_program.py::test_frozen_program_has_every_message_afterwards",
                "integration/test_resilience.py::test_frozen_server_is_noticed_and_reconnected",
                "unit/xmpp/test_connection.py::test_unanswered_ping_ends_the_connection",
                "unit/xmpp/test_connection.py::test_unanswered_handshake_times_out",
                "unit/core/test_gaps.py::test_lost_connection_leaves_a_gap",
            ),
        ),
        Fault(
            number=20,
            name="global_routes: true",
            done="ejabberd gives our stanzas to another component, and its stanzas to us.",
            holds="The doctor and the log name the option.",
            tests=(
                "integration/test_doctor.py::test_connection_that_takes_our_stanzas_is_found",
                "unit/xmpp/test_grants.py::test_stanza_for_another_domain_shows_global_routes",
            ),
        ),
        Fault(
            number=21,
            name="domain_balancing with a dead slot",
            done="A stanza that Muniment sends to itself does not come back.",
            holds="The doctor and the log say that another connection takes our stanzas.",
            tests=(
                "unit/xmpp/test_grants.py"
                "::test_own_message_that_does_not_come_back_shows_another_connection",
                "unit/xmpp/test_grants.py"
                "::test_lost_answer_to_the_ping_shows_another_connection_too",
            ),
        ),
        Fault(
            number=22,
            name="several processes",
            done="Several processes read the same copies, and are killed and stopped in turn.",
            holds="Each message is stored once, in the order of its archive.",
            tests=(
                "contract/postgres/test_processes.py",
                "unit/core/test_ingest.py"
                "::test_messages_that_are_alike_are_stored_once_each_by_two_processes",
                "unit/core/test_ingest.py"
                "::test_message_that_two_processes_read_in_different_minutes_is_stored_once",
            ),
        ),
        Fault(
            number=23,
            name="stanza before the handshake",
            done="Whoever has taken the port sends stanzas before the handshake.",
            holds="They are dropped, and not delivered later.",
            tests=(
                "unit/xmpp/test_gate.py::test_nothing_passes_before_the_handshake",
                "unit/xmpp/test_gate.py::test_stanza_before_the_handshake_is_not_delivered_later",
                "unit/xmpp/test_repeated_copies.py::test_nothing_is_skipped_before_the_handshake",
            ),
        ),
        Fault(
            number=24,
            name="entities, comments and processing instructions",
            done="The stream has an entity bomb, an external entity, a comment.",
            holds="The stream is closed with one line in the log, and nothing is expanded.",
            tests=(
                "unit/xmpp/test_gate.py::test_entity_bomb_ends_the_connection_with_one_log_line",
                "unit/xmpp/test_gate.py::test_markup_that_is_not_xmpp_ends_the_stream",
                "unit/core/test_stream_parser.py::test_markup_that_is_not_xmpp_is_malformed",
            ),
        ),
        Fault(
            number=25,
            name="huge, deep and countless stanzas",
            done="A stanza of 20 MB, 20,000 levels, 10,000 attributes; a million small stanzas.",
            holds="Memory is bounded, what is too large is left out, the next stanza passes.",
            tests=(
                "unit/xmpp/test_gate.py::test_large_stanza_takes_no_memory",
                "unit/xmpp/test_gate.py"
                "::test_stanza_above_the_size_limit_is_left_out_and_the_next_one_passes",
                "unit/xmpp/test_gate.py"
                "::test_stanza_above_the_depth_limit_is_left_out_and_the_next_one_passes",
                "unit/xmpp/test_gate.py::test_white_space_that_never_ends_takes_no_memory",
                "unit/core/test_stream_parser.py"
                "::test_thousands_of_prefixes_take_memory_in_proportion_to_their_bytes",
                "integration/test_hostile_clients.py"
                "::test_message_nested_too_deeply_is_not_archived_and_the_next_one_is",
                "unit/xmpp/test_backpressure.py",
            ),
        ),
        Fault(
            number=26,
            name="illegal characters and unknown stanzas",
            done="Bytes that are no UTF-8, characters that XML forbids, unknown queries.",
            holds="Each is refused or ignored; neither stream nor program ends because of a user.",
            tests=(
                "integration/test_hostile_clients.py",
                "unit/xmpp/test_gate.py::test_no_stanza_of_a_stranger_ends_the_stream",
                "unit/xmpp/test_gate.py::test_bytes_that_are_not_utf_8_end_the_stream",
                "unit/xmpp/test_errors.py::test_no_message_in_the_archive_breaks_the_stream",
                "property/test_xml_properties.py",
            ),
        ),
        Fault(
            number=27,
            name="pages of large messages",
            done="The messages of a page are larger than the server takes at a time.",
            holds="The page is shorter, ends with <fin/>, and the next ones have the rest.",
            tests=(
                "integration/test_hostile_clients.py"
                "::test_pages_of_large_messages_are_short_and_lose_nothing",
                "integration/test_hostile_clients.py"
                "::test_large_messages_are_archived_and_returned",
                "contract/test_archive_bytes.py",
                "property/test_paging_properties.py"
                "::test_pages_bounded_in_bytes_lose_and_repeat_no_message",
            ),
        ),
        Fault(
            number=28,
            name="server that reads slowly",
            done="ejabberd reads results slowly while a user reads 10,000 messages.",
            holds="One page at most waits in memory, and all results arrive.",
            tests=(
                "torture/test_connections.py"
                "::test_slow_connection_delays_answers_and_loses_nothing",
                "unit/xmpp/test_turns.py::test_at_most_one_page_waits_for_a_slow_server",
                "unit/xmpp/test_connection.py::test_send_text_waits_for_a_slow_server",
            ),
        ),
    ),
)

IDENTITY = Group(
    "Who somebody is in XMPP",
    (
        Fault(
            number=29,
            name="archive of another user",
            done="A user asks for the archive of another one, also through another host.",
            holds="The query is forbidden.",
            tests=(
                "integration/test_query_errors.py::test_query_of_another_users_archive_is_refused",
                "integration/test_preferences.py::test_preferences_of_another_user_are_forbidden",
                "unit/xmpp/test_delegation.py",
                "unit/core/test_authorize.py",
            ),
        ),
        Fault(
            number=30,
            name="forged <stanza-id>",
            done="A message arrives with an id in the name of the archive.",
            holds="XEP-0359: the archive stores the message without it.",
            tests=(
                "integration/test_archive_scenarios.py::test_forged_stanza_ids_are_not_stored",
                "unit/core/test_sanitise.py",
                "conformance/test_xep_0359.py",
            ),
        ),
        Fault(
            number=31,
            name="forged history",
            done="A user sends archive results and forwarded messages to other users and to us.",
            holds="They are no history; copies count only from a virtual host, results only from "
            "the archive that was asked.",
            tests=(
                "integration/test_hostile_clients.py"
                "::test_copy_forged_by_a_client_is_not_unwrapped",
                "integration/test_server_address.py::test_results_from_the_server_reach_the_"
                "session_that_asks_and_no_archive",
                "unit/xmpp/test_service_log.py",
            ),
        ),
        Fault(
            number=32,
            name="forged carbon",
            done="Another JID than the own account sends a carbon copy.",
            holds="XEP-0280: it is ignored.",
            tests=(
                "unit/core/test_ingest.py::test_carbons_are_not_archived",
                "unit/core/test_ingest.py::test_carbon_without_its_message_is_not_archived",
                "unit/sessions/test_session_stanzas.py"
                "::test_forged_carbon_and_copy_of_own_message_are_ignored",
            ),
        ),
        Fault(
            number=33,
            name="forged roster push",
            done="Another JID than the own account sends a roster push or the result of a query.",
            holds="RFC 6121: it is ignored.",
            tests=(
                "unit/xmpp/test_contact_presences.py::test_push_of_somebody_else_is_ignored",
                "unit/xmpp/test_rosters.py::test_roster_result_from_another_address_is_ignored",
                "unit/xmpp/test_rosters.py::test_other_copied_iq_is_no_roster_push",
                "unit/xmpp/test_displayed.py::test_marker_of_anybody_but_the_owner_is_ignored",
                "property/test_session_properties.py"
                "::test_presences_and_requests_are_of_others_alone",
            ),
        ),
        Fault(
            number=34,
            name="addresses that look alike",
            done="Capitals, lookalike letters, odd resources, names as long as allowed.",
            holds="The owner of an archive is the same user for ejabberd and everywhere here.",
            tests=(
                "integration/test_addresses.py",
                "unit/core/test_preparation.py",
                "property/test_preparation_properties.py",
                "unit/xmpp/test_exchange.py::test_delegated_message_survives_hostile_addresses",
            ),
        ),
        Fault(
            number=35,
            name="second component with the secret",
            done="Another program connects to ejabberd as this component.",
            holds="The doctor and the log name it; no log shows the secret.",
            tests=(
                "integration/test_doctor.py::test_connection_that_takes_our_stanzas_is_found",
                "unit/xmpp/test_connection.py::test_refusal_does_not_contain_the_secret",
            ),
        ),
        Fault(
            number=36,
            name="answers of strangers",
            done="Another JID than the server answers a privileged query or grants rights.",
            holds="XEP-0356: it is ignored.",
            tests=(
                "unit/xmpp/test_privilege.py",
                "unit/xmpp/test_connection.py"
                "::test_ping_answer_from_another_address_does_not_count",
                "unit/xmpp/test_errors.py::test_iq_result_with_a_query_payload_is_ignored",
                "unit/xmpp/test_errors.py::test_iq_error_without_request_is_ignored",
            ),
        ),
        Fault(
            number=37,
            name="what must not be archived",
            done="Errors, hints against storing, chat states, private and room messages.",
            holds="XEP-0313, XEP-0334: each is archived or not as the rules say.",
            tests=(
                "unit/core/test_policy.py",
                "property/test_policy_properties.py",
                "conformance/test_xep_0334.py",
                "integration/test_archived_messages.py",
            ),
        ),
        Fault(
            number=38,
            name="abuse of queries",
            done="Pages of -1 and of a billion, unknown ids, huge forms, 1,000 queries at once.",
            holds="Each query is answered or refused with its condition, other users in time.",
            tests=(
                "torture/test_connections.py::test_thousand_queries_at_once_hold_up_nobody_else",
                "integration/test_query_errors.py",
                "unit/xmpp/test_mam_parse.py",
                "unit/xmpp/test_mam_answers.py",
                "unit/core/test_account_turns.py",
                "conformance/test_xep_0059.py",
            ),
        ),
    ),
)

HTTP = Group(
    "HTTP",
    (
        Fault(
            number=39,
            name="objects of others",
            done="Every route and every command is called for the account of somebody else.",
            holds="The answer is 403 or 404; the routes come from the tables of the code.",
            tests=(
                "unit/web/test_web_foreign_accounts.py",
                "unit/web/test_web_gateway.py"
                "::test_no_route_shows_or_changes_anything_of_a_foreign_account",
                "unit/web/test_web_session.py::test_no_route_acts_on_the_account_of_another",
            ),
        ),
        Fault(
            number=40,
            name="rights that are missing, fields that nobody offers",
            done="Readers call what admins may; bodies have further fields.",
            holds="403, and 400 with the name of the field.",
            tests=(
                "unit/web/test_web_roles.py",
                "unit/commands/test_authorization.py",
                "unit/ejabberd_api/test_permissions.py",
                "unit/web/test_web_errors.py",
            ),
        ),
        Fault(
            number=41,
            name="forged tokens",
            done="Tokens without a signature, of another key, expired, from the future, revoked.",
            holds="401; a change of the password ends all of them.",
            tests=(
                "unit/core/test_access_tokens.py",
                "unit/core/test_sign_ins.py",
                "property/test_sign_in_properties.py",
            ),
        ),
        Fault(
            number=42,
            name="guessing",
            done="Passwords, secrets and names are guessed over HTTP and extauth.",
            holds="Guesses are slowed, answers for known and unknown names are alike in text and "
            "time, hashing is limited.",
            tests=(
                "unit/web/test_web_guess_limit.py",
                "unit/core/test_throttle.py",
                "unit/core/test_own_accounts.py"
                "::test_unknown_account_takes_as_long_as_a_wrong_password",
                "unit/core/test_sign_ins.py::test_every_refused_sign_in_takes_the_same_time",
                "integration/test_accounts_and_rosters.py"
                "::test_password_guessing_is_throttled_and_the_owner_logs_in_later",
            ),
        ),
        Fault(
            number=43,
            name="slow and idle connections",
            done="Heads, bodies and answers go on for ever, one byte at a time.",
            holds="Each is closed in its time; connections are limited by address and in all.",
            tests=(
                "unit/web/test_web_limits.py",
                "unit/web/test_web_connection_limit.py",
                "unit/web/test_web_stream.py::test_client_that_reads_nothing_is_disconnected",
            ),
        ),
        Fault(
            number=44,
            name="malformed HTTP",
            done="Content-Length with Transfer-Encoding, two hosts, bare line feeds, huge heads, "
            "bad chunks, compressed bombs.",
            holds="400, 413, 415 or 431 in JSON, one line in the log, and the connection closes.",
            tests=(
                "unit/web/test_web_limits.py"
                "::test_malformed_http_is_400_in_json_and_one_line_in_the_log",
                "unit/web/test_web_limits.py::test_too_long_line_is_431",
                "unit/web/test_web_limits.py::test_compressed_body_is_415_and_not_expanded",
            ),
        ),
        Fault(
            number=45,
            name="injection into searches",
            done="Operators, quotes and wildcards of SQL, FTS5 and tsquery are searched for.",
            holds="They are text in both stores.",
            tests=(
                "contract/test_archive_search.py",
                "contract/sqlite/test_statements.py",
                "contract/postgres/test_statements.py",
                "contract/test_archive_days.py::test_search_of_xml_takes_texts_literally",
                "contract/test_chat_contract.py::test_search_takes_wildcards_of_like_literally",
                "unit/clients/test_vetted_addresses.py",
            ),
        ),
        Fault(
            number=46,
            name="changed and foreign cursors",
            done="Ids and cursors are changed, made up, or of another archive.",
            holds="They are not found.",
            tests=(
                "property/test_ids_properties.py",
                "unit/core/test_ids.py",
                "contract/test_archive_contract.py::test_id_of_another_archive_is_not_found",
                "contract/test_archive_contract.py::test_other_spellings_of_an_id_are_not_found",
                "unit/chat/test_place.py",
            ),
        ),
        Fault(
            number=47,
            name="streams and long polls over a restart",
            done="Followers reconnect across restarts; 2,000 of them, and one too many, connect.",
            holds="Nothing is missing and nothing comes twice; one too many gets 503.",
            tests=(
                "torture/test_streams.py"
                "::test_two_thousand_streams_have_each_message_once_under_load",
                "integration/test_http_archive.py"
                "::test_stream_resumed_after_restart_has_no_gap_and_no_duplicate",
                "integration/test_gateway.py::test_restart_in_the_middle_of_a_poll_loses_nothing",
                "unit/web/test_web_stream.py",
                "unit/web/test_web_events.py"
                "::test_streams_of_one_user_are_limited_apart_from_those_of_others",
                "unit/core/test_tickets.py",
            ),
        ),
        Fault(
            number=48,
            name="pages of others",
            done="Other origins send forms, open streams and sockets, and frame pages.",
            holds="They are refused; tokens are in no URL and in no log.",
            tests=(
                "unit/web/test_web_cors.py",
                "unit/web/test_web_chat_live.py::test_only_pages_of_our_origins_open_sockets",
                "unit/web/test_web_operators.py"
                "::test_form_of_another_origin_is_403_and_does_nothing",
                "unit/web/test_web_operators.py"
                "::test_cookie_is_only_for_this_server_and_not_for_scripts",
                "unit/web/test_web_operators.py::test_every_response_has_a_strict_policy",
                "unit/web/test_web_pages.py::test_policy_allows_files_of_this_server_alone",
                "unit/web/test_web_sign_in.py::test_password_in_the_url_is_refused",
                "unit/web/test_web_sign_in.py::test_neither_passwords_nor_tokens_are_logged",
            ),
        ),
        Fault(
            number=49,
            name="markup in texts and names",
            done="Texts, nicknames, addresses and files have HTML, scripts and marks of "
            "direction.",
            holds="Pages show them as text; the policy lets no inline script run.",
            tests=(
                "browser/test_chat_hostile.py",
                "browser/test_operators.py"
                "::test_hostile_text_stays_text_and_nothing_remote_is_loaded",
                "unit/web/test_web_operators_archives.py"
                "::test_hostile_text_stays_text_on_every_page",
                "unit/web/test_web_pages.py::test_no_file_makes_html_or_code_from_text",
            ),
        ),
        Fault(
            number=50,
            name="forged X-Forwarded-For and Host",
            done="Clients claim another address or another host.",
            holds="Only a trusted proxy is believed; a foreign host gets 421.",
            tests=(
                "unit/web/test_web_forwarding.py",
                "unit/web/test_web_trusted_network.py",
            ),
        ),
        Fault(
            number=51,
            name="forged lines in the log",
            done="Values have line ends and control characters; secrets are used everywhere.",
            holds="Values are escaped; neither secrets nor texts are in a log.",
            tests=(
                "unit/test_logs.py",
                "integration/test_ejabberd_api.py"
                "::test_no_secret_reaches_the_audit_log_or_the_log",
                "integration/test_sending.py::test_password_and_tokens_are_not_logged",
                "unit/xmpp/test_service_log.py::test_text_of_a_message_never_reaches_the_log",
                "unit/commands/test_command_line.py::test_control_characters_are_not_printed",
            ),
        ),
        Fault(
            number=52,
            name="hostile and interrupted imports",
            done="Files with XML bombs, code in Lua and endless lines; an import is killed.",
            holds="They are refused within bounded memory; the next import goes on without a "
            "duplicate.",
            tests=(
                "torture/test_imports.py::test_killed_import_goes_on_without_a_duplicate",
                "unit/importing/test_files.py",
                "unit/importing/test_lua.py",
                "unit/importing/test_ejabberd_rows.py",
                "contract/test_imports_contract.py",
            ),
            left_out="Archives of files (zip) and their paths: no import reads them.",
        ),
        Fault(
            number=53,
            name="erasure",
            done="An archive is erased while messages arrive, and is looked for afterwards.",
            holds="No search, export, page or byte of the files has it; later messages are kept.",
            tests=(
                "integration/test_retention.py"
                "::test_export_is_complete_and_erasure_leaves_no_byte",
                "contract/sqlite/test_erasure.py",
                "contract/sqlite/test_scrubbing.py"
                "::test_erased_archive_is_in_no_byte_after_a_scrub",
                "contract/postgres/test_processes.py"
                "::test_message_from_before_an_erasure_is_not_written_after_it",
                "unit/core/test_erasure.py",
            ),
            left_out="Backups that were made before: they keep what they had, as "
            "docs/operations.md says.",
        ),
        Fault(
            number=54,
            name="retention under a reader",
            done="Old messages are deleted while clients page, export and follow.",
            holds="Cursors stay valid, nothing is repeated, and no answer is 500.",
            tests=(
                "contract/test_archive_contract.py"
                "::test_page_after_a_deleted_message_is_found_by_its_id",
                "contract/test_events_contract.py"
                "::test_cursor_stays_valid_after_messages_before_it_are_deleted",
                "unit/core/test_export.py::test_deletion_during_the_export_repeats_nothing",
                "unit/core/test_follow.py::test_stream_repeats_nothing_after_a_purge",
                "unit/web/test_web_stream.py::test_client_reconnects_after_a_deleted_message",
            ),
        ),
        Fault(
            number=55,
            name="limits across processes",
            done="Wrong passwords of one account are sent to several processes in turn.",
            holds="The account is slowed as by one process.",
            tests=("unit/core/test_throttle.py::test_wrong_password_in_another_process_counts",),
            left_out="Limits by address (requests, connections, guesses of secrets) hold for "
            "each process on its own: a proxy in front counts for all of them.",
        ),
    ),
)

GROUPS = (DURABILITY, STREAM, IDENTITY, HTTP)

FAULTS = tuple(fault for group in GROUPS for fault in group.faults)
