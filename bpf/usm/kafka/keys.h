/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What Kafka can be asked (https://kafka.apache.org/protocol, and the schemas in
 * clients/src/main/resources/common/message): what both halves know of each key.
 */
#pragma once

#include "bpf/abi.h"

/* In no version. */
#define EYE_KAFKA_NEVER 255

/* Where an answer's error stands, behind what throttles. */
enum eye_kafka_error_at {
    EYE_KAFKA_ERROR_NOWHERE,   /* at no place that is the same in all answers */
    EYE_KAFKA_ERROR_FIRST,     /* it comes first */
    EYE_KAFKA_ERROR_ELEMENT,   /* first in the first element of an array */
    EYE_KAFKA_ERROR_NAMED,     /* behind its name, and its id */
    EYE_KAFKA_ERROR_PARTITION, /* of the first partition of the first topic */
};

/*
 * X(number, identifier, name, flexible, throttled, error, until, ids)
 *   flexible   the first version whose lengths are varints and whose structures end with tags
 *   throttled  the first version whose answer begins with how long it throttles
 *   error      where its error stands, up to the version `until`
 *   ids        the first version in which a topic is told by its id instead of its name, or of
 *              NAMED besides it
 */
#define EYE_KAFKA_KEYS(X)                                                                          \
    X(0, PRODUCE, "send", 9, EYE_KAFKA_NEVER, PARTITION, 20, 13)                                   \
    X(1, FETCH, "poll", 12, 1, NOWHERE, 0, 13)                                                     \
    X(2, LIST_OFFSETS, "list_offsets", 6, 2, PARTITION, 20, EYE_KAFKA_NEVER)                       \
    X(3, METADATA, "metadata", 9, 3, NOWHERE, 0, EYE_KAFKA_NEVER)                                  \
    X(4, LEADER_AND_ISR, "leader_and_isr", 4, EYE_KAFKA_NEVER, FIRST, 20, EYE_KAFKA_NEVER)         \
    X(5, STOP_REPLICA, "stop_replica", 2, EYE_KAFKA_NEVER, FIRST, 20, EYE_KAFKA_NEVER)             \
    X(6, UPDATE_METADATA, "update_metadata", 6, EYE_KAFKA_NEVER, FIRST, 20, EYE_KAFKA_NEVER)       \
    X(7, CONTROLLED_SHUTDOWN, "controlled_shutdown", 3, EYE_KAFKA_NEVER, FIRST, 20,                \
      EYE_KAFKA_NEVER)                                                                             \
    X(8, OFFSET_COMMIT, "commit", 8, 3, PARTITION, 20, 10)                                         \
    X(9, OFFSET_FETCH, "offset_fetch", 6, 3, NOWHERE, 0, EYE_KAFKA_NEVER)                          \
    X(10, FIND_COORDINATOR, "find_coordinator", 3, 1, FIRST, 3, EYE_KAFKA_NEVER)                   \
    X(11, JOIN_GROUP, "join_group", 6, 2, FIRST, 20, EYE_KAFKA_NEVER)                              \
    X(12, HEARTBEAT, "heartbeat", 4, 1, FIRST, 20, EYE_KAFKA_NEVER)                                \
    X(13, LEAVE_GROUP, "leave_group", 4, 1, FIRST, 20, EYE_KAFKA_NEVER)                            \
    X(14, SYNC_GROUP, "sync_group", 4, 1, FIRST, 20, EYE_KAFKA_NEVER)                              \
    X(15, DESCRIBE_GROUPS, "describe_groups", 5, 1, ELEMENT, 20, EYE_KAFKA_NEVER)                  \
    X(16, LIST_GROUPS, "list_groups", 3, 1, FIRST, 20, EYE_KAFKA_NEVER)                            \
    X(17, SASL_HANDSHAKE, "sasl_handshake", EYE_KAFKA_NEVER, EYE_KAFKA_NEVER, FIRST, 20,           \
      EYE_KAFKA_NEVER)                                                                             \
    X(18, API_VERSIONS, "api_versions", 3, EYE_KAFKA_NEVER, FIRST, 20, EYE_KAFKA_NEVER)            \
    X(19, CREATE_TOPICS, "create_topics", 5, 2, NAMED, 20, 7)                                      \
    X(20, DELETE_TOPICS, "delete_topics", 4, 1, NAMED, 20, 6)                                      \
    X(21, DELETE_RECORDS, "delete_records", 2, 0, NOWHERE, 0, EYE_KAFKA_NEVER)                     \
    X(22, INIT_PRODUCER_ID, "init_producer_id", 2, 0, FIRST, 20, EYE_KAFKA_NEVER)                  \
    X(23, OFFSET_FOR_LEADER_EPOCH, "offset_for_leader_epoch", 4, 2, NOWHERE, 0, EYE_KAFKA_NEVER)   \
    X(24, ADD_PARTITIONS_TO_TXN, "add_partitions_to_txn", 3, 0, PARTITION, 3, EYE_KAFKA_NEVER)     \
    X(25, ADD_OFFSETS_TO_TXN, "add_offsets_to_txn", 3, 0, FIRST, 20, EYE_KAFKA_NEVER)              \
    X(26, END_TXN, "end_txn", 3, 0, FIRST, 20, EYE_KAFKA_NEVER)                                    \
    X(27, WRITE_TXN_MARKERS, "write_txn_markers", 1, EYE_KAFKA_NEVER, NOWHERE, 0, EYE_KAFKA_NEVER) \
    X(28, TXN_OFFSET_COMMIT, "txn_offset_commit", 3, 0, PARTITION, 20, EYE_KAFKA_NEVER)            \
    X(29, DESCRIBE_ACLS, "describe_acls", 2, 0, FIRST, 20, EYE_KAFKA_NEVER)                        \
    X(30, CREATE_ACLS, "create_acls", 2, 0, ELEMENT, 20, EYE_KAFKA_NEVER)                          \
    X(31, DELETE_ACLS, "delete_acls", 2, 0, ELEMENT, 20, EYE_KAFKA_NEVER)                          \
    X(32, DESCRIBE_CONFIGS, "describe_configs", 4, 0, ELEMENT, 20, EYE_KAFKA_NEVER)                \
    X(33, ALTER_CONFIGS, "alter_configs", 2, 0, ELEMENT, 20, EYE_KAFKA_NEVER)                      \
    X(34, ALTER_REPLICA_LOG_DIRS, "alter_replica_log_dirs", 2, 0, PARTITION, 20, EYE_KAFKA_NEVER)  \
    X(35, DESCRIBE_LOG_DIRS, "describe_log_dirs", 2, 0, NOWHERE, 0, EYE_KAFKA_NEVER)               \
    X(36, SASL_AUTHENTICATE, "sasl_authenticate", 2, EYE_KAFKA_NEVER, FIRST, 20, EYE_KAFKA_NEVER)  \
    X(37, CREATE_PARTITIONS, "create_partitions", 2, 0, NAMED, 20, EYE_KAFKA_NEVER)                \
    X(38, CREATE_DELEGATION_TOKEN, "create_delegation_token", 2, EYE_KAFKA_NEVER, FIRST, 20,       \
      EYE_KAFKA_NEVER)                                                                             \
    X(39, RENEW_DELEGATION_TOKEN, "renew_delegation_token", 2, EYE_KAFKA_NEVER, FIRST, 20,         \
      EYE_KAFKA_NEVER)                                                                             \
    X(40, EXPIRE_DELEGATION_TOKEN, "expire_delegation_token", 2, EYE_KAFKA_NEVER, FIRST, 20,       \
      EYE_KAFKA_NEVER)                                                                             \
    X(41, DESCRIBE_DELEGATION_TOKEN, "describe_delegation_token", 2, EYE_KAFKA_NEVER, FIRST, 20,   \
      EYE_KAFKA_NEVER)                                                                             \
    X(42, DELETE_GROUPS, "delete_groups", 2, 0, NAMED, 20, EYE_KAFKA_NEVER)                        \
    X(43, ELECT_LEADERS, "elect_leaders", 2, 0, NOWHERE, 0, EYE_KAFKA_NEVER)                       \
    X(44, INCREMENTAL_ALTER_CONFIGS, "incremental_alter_configs", 1, 0, ELEMENT, 20,               \
      EYE_KAFKA_NEVER)                                                                             \
    X(45, ALTER_PARTITION_REASSIGNMENTS, "alter_partition_reassignments", 0, 0, FIRST, 0,          \
      EYE_KAFKA_NEVER)                                                                             \
    X(46, LIST_PARTITION_REASSIGNMENTS, "list_partition_reassignments", 0, 0, FIRST, 20,           \
      EYE_KAFKA_NEVER)                                                                             \
    X(47, OFFSET_DELETE, "offset_delete", EYE_KAFKA_NEVER, EYE_KAFKA_NEVER, FIRST, 20,             \
      EYE_KAFKA_NEVER)                                                                             \
    X(48, DESCRIBE_CLIENT_QUOTAS, "describe_client_quotas", 1, 0, FIRST, 20, EYE_KAFKA_NEVER)      \
    X(49, ALTER_CLIENT_QUOTAS, "alter_client_quotas", 1, 0, ELEMENT, 20, EYE_KAFKA_NEVER)          \
    X(50, DESCRIBE_USER_SCRAM_CREDENTIALS, "describe_user_scram_credentials", 0, 0, FIRST, 20,     \
      EYE_KAFKA_NEVER)                                                                             \
    X(51, ALTER_USER_SCRAM_CREDENTIALS, "alter_user_scram_credentials", 0, 0, NAMED, 20,           \
      EYE_KAFKA_NEVER)                                                                             \
    X(52, VOTE, "vote", 0, EYE_KAFKA_NEVER, FIRST, 20, EYE_KAFKA_NEVER)                            \
    X(53, BEGIN_QUORUM_EPOCH, "begin_quorum_epoch", 1, EYE_KAFKA_NEVER, FIRST, 20,                 \
      EYE_KAFKA_NEVER)                                                                             \
    X(54, END_QUORUM_EPOCH, "end_quorum_epoch", 1, EYE_KAFKA_NEVER, FIRST, 20, EYE_KAFKA_NEVER)    \
    X(55, DESCRIBE_QUORUM, "describe_quorum", 0, EYE_KAFKA_NEVER, FIRST, 20, EYE_KAFKA_NEVER)      \
    X(56, ALTER_PARTITION, "alter_partition", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)                    \
    X(57, UPDATE_FEATURES, "update_features", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)                    \
    X(58, ENVELOPE, "envelope", 0, EYE_KAFKA_NEVER, NOWHERE, 0, EYE_KAFKA_NEVER)                   \
    X(59, FETCH_SNAPSHOT, "fetch_snapshot", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)                      \
    X(60, DESCRIBE_CLUSTER, "describe_cluster", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)                  \
    X(61, DESCRIBE_PRODUCERS, "describe_producers", 0, 0, PARTITION, 20, EYE_KAFKA_NEVER)          \
    X(62, BROKER_REGISTRATION, "broker_registration", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)            \
    X(63, BROKER_HEARTBEAT, "broker_heartbeat", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)                  \
    X(64, UNREGISTER_BROKER, "unregister_broker", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)                \
    X(65, DESCRIBE_TRANSACTIONS, "describe_transactions", 0, 0, ELEMENT, 20, EYE_KAFKA_NEVER)      \
    X(66, LIST_TRANSACTIONS, "list_transactions", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)                \
    X(67, ALLOCATE_PRODUCER_IDS, "allocate_producer_ids", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)        \
    X(68, CONSUMER_GROUP_HEARTBEAT, "consumer_group_heartbeat", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)  \
    X(69, CONSUMER_GROUP_DESCRIBE, "consumer_group_describe", 0, 0, ELEMENT, 20, EYE_KAFKA_NEVER)  \
    X(70, CONTROLLER_REGISTRATION, "controller_registration", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)    \
    X(71, GET_TELEMETRY_SUBSCRIPTIONS, "get_telemetry_subscriptions", 0, 0, FIRST, 20,             \
      EYE_KAFKA_NEVER)                                                                             \
    X(72, PUSH_TELEMETRY, "push_telemetry", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)                      \
    X(73, ASSIGN_REPLICAS_TO_DIRS, "assign_replicas_to_dirs", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)    \
    X(74, LIST_CONFIG_RESOURCES, "list_config_resources", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)        \
    X(75, DESCRIBE_TOPIC_PARTITIONS, "describe_topic_partitions", 0, 0, ELEMENT, 20,               \
      EYE_KAFKA_NEVER)                                                                             \
    X(76, SHARE_GROUP_HEARTBEAT, "share_group_heartbeat", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)        \
    X(77, SHARE_GROUP_DESCRIBE, "share_group_describe", 0, 0, ELEMENT, 20, EYE_KAFKA_NEVER)        \
    X(78, SHARE_FETCH, "share_fetch", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)                            \
    X(79, SHARE_ACKNOWLEDGE, "share_acknowledge", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)                \
    X(80, ADD_RAFT_VOTER, "add_raft_voter", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)                      \
    X(81, REMOVE_RAFT_VOTER, "remove_raft_voter", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)                \
    X(82, UPDATE_RAFT_VOTER, "update_raft_voter", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)                \
    X(83, INITIALIZE_SHARE_GROUP_STATE, "initialize_share_group_state", 0, EYE_KAFKA_NEVER,        \
      NOWHERE, 0, EYE_KAFKA_NEVER)                                                                 \
    X(84, READ_SHARE_GROUP_STATE, "read_share_group_state", 0, EYE_KAFKA_NEVER, NOWHERE, 0,        \
      EYE_KAFKA_NEVER)                                                                             \
    X(85, WRITE_SHARE_GROUP_STATE, "write_share_group_state", 0, EYE_KAFKA_NEVER, NOWHERE, 0,      \
      EYE_KAFKA_NEVER)                                                                             \
    X(86, DELETE_SHARE_GROUP_STATE, "delete_share_group_state", 0, EYE_KAFKA_NEVER, NOWHERE, 0,    \
      EYE_KAFKA_NEVER)                                                                             \
    X(87, READ_SHARE_GROUP_STATE_SUMMARY, "read_share_group_state_summary", 0, EYE_KAFKA_NEVER,    \
      NOWHERE, 0, EYE_KAFKA_NEVER)                                                                 \
    X(88, STREAMS_GROUP_HEARTBEAT, "streams_group_heartbeat", 0, 0, FIRST, 20, EYE_KAFKA_NEVER)    \
    X(89, STREAMS_GROUP_DESCRIBE, "streams_group_describe", 0, 0, ELEMENT, 20, EYE_KAFKA_NEVER)    \
    X(90, DESCRIBE_SHARE_GROUP_OFFSETS, "describe_share_group_offsets", 0, 0, NOWHERE, 0,          \
      EYE_KAFKA_NEVER)                                                                             \
    X(91, ALTER_SHARE_GROUP_OFFSETS, "alter_share_group_offsets", 0, 0, NOWHERE, 0,                \
      EYE_KAFKA_NEVER)                                                                             \
    X(92, DELETE_SHARE_GROUP_OFFSETS, "delete_share_group_offsets", 0, 0, FIRST, 20,               \
      EYE_KAFKA_NEVER)

enum eye_kafka_key {
#define X(number, identifier, ...) EYE_KAFKA_##identifier = (number),
    EYE_KAFKA_KEYS(X)
#undef X
};

/* Keys are told as numbers below this; newer ones than ours are counted together, and those beyond
 * it are told as the last one. */
#define EYE_KAFKA_KEY_COUNT 128
#define EYE_KAFKA_KEY_OTHER (EYE_KAFKA_KEY_COUNT - 1)
/* Of newer versions nothing is read but the heads of their messages. */
#define EYE_KAFKA_VERSION_MAX 20
/* What those are told as: below EYE_KAFKA_NEVER. */
#define EYE_KAFKA_VERSION_OTHER 127
