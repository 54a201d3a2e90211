/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * EACH(X, identifier, name, title): the protocols that are recognised, asked in this order. The
 * parser is in bpf/usm/<name>/, with the body of its records in record.h; what the records mean is
 * in collector/usm/<name>/; the key protocols.<name> of the configuration switches it off.
 */
#pragma once

#define EYE_EACH_PROTOCOL(EACH, X)                                                                 \
    /* What begins with words of its own stands before what may begin with any. */                 \
    EACH(X, REDIS, redis, "Redis")                                                                 \
    EACH(X, MYSQL, mysql, "MySQL")                                                                 \
    EACH(X, POSTGRES, postgres, "PostgreSQL")                                                      \
    EACH(X, HTTP, http, "HTTP/1")                                                                  \
    EACH(X, HTTP2, http2, "HTTP/2")                                                                \
    EACH(X, KAFKA, kafka, "Kafka")                                                                 \
    /* Over TCP; datagrams are known by their port (bpf/usm/datagrams.bpf.h). */                   \
    EACH(X, DNS, dns, "DNS")

/* X(identifier, name): what is recognised and not followed, so that connections can be told apart:
 * bpf/usm/classes.h knows the first bytes, but for what HTTP says itself (websocket). */
#define EYE_CLASSES(X)                                                                             \
    X(TLS, tls)                                                                                    \
    X(SSH, ssh)                                                                                    \
    X(AMQP, amqp)                                                                                  \
    X(MQTT, mqtt)                                                                                  \
    X(NATS, nats)                                                                                  \
    X(MONGODB, mongodb)                                                                            \
    X(WEBSOCKET, websocket)

#define EYE_ONE_PROTOCOL(X, identifier, name, title) X(identifier, name)
#define EYE_PROTOCOLS(X) EYE_EACH_PROTOCOL(EYE_ONE_PROTOCOL, X)
