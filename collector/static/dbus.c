/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libpcap.a wants of libdbus: one of its ways to capture listens at D-Bus. `sockeye replay`
 * reads files and opens none of these; libdbus itself would bring libsystemd, of which Debian has
 * no archive. So these are never called: whoever did would get NULL, or "no". Weak, for an archive
 * that is there.
 */
#include <stddef.h>

#define FUNCTIONS(X)                                                                               \
    X(dbus_bus_add_match)                                                                          \
    X(dbus_bus_get)                                                                                \
    X(dbus_bus_register)                                                                           \
    X(dbus_connection_flush)                                                                       \
    X(dbus_connection_open)                                                                        \
    X(dbus_connection_pop_message)                                                                 \
    X(dbus_connection_read_write)                                                                  \
    X(dbus_connection_send)                                                                        \
    X(dbus_connection_set_max_received_size)                                                       \
    X(dbus_connection_unref)                                                                       \
    X(dbus_error_free)                                                                             \
    X(dbus_error_is_set)                                                                           \
    X(dbus_free)                                                                                   \
    X(dbus_message_demarshal)                                                                      \
    X(dbus_message_is_signal)                                                                      \
    X(dbus_message_marshal)                                                                        \
    X(dbus_message_unref)

#define X(name)                                                                                    \
    __attribute__((weak)) void *name(void);                                                        \
    void *name(void)                                                                               \
    {                                                                                              \
        return NULL;                                                                               \
    }
FUNCTIONS(X)
#undef X
