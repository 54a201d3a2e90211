/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations of HTTP/1 and what must be made of them, from whatever source the bytes come. */
#pragma once

#include "bpf/usm/http/record.h"

/* What one end sees: 'C' bytes of the client, 'S' of the server. */
struct part {
    char from;
    const char *bytes;
};

struct answer {
    __u8 method;
    __u16 status;
    const char *path;
};

struct conversation {
    const char *name;
    struct part parts[8];
    struct answer answers[8]; /* the last one stays empty */
};

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

#define CYRILLIC "\xd0\x90\xd0\x91\xd0\x92\xd0\x93\xd0\x94\xd0\x95\xd0\x96\xd0\x97"
#define LONG_CYRILLIC CYRILLIC CYRILLIC CYRILLIC CYRILLIC CYRILLIC CYRILLIC CYRILLIC
#define ODD_FIELDS                                                                                 \
    "X:\t" LONG_CYRILLIC LONG_CYRILLIC                                                             \
    "\r\nT: a\rb\r\r\nC\r\n\r\r\nY:\t\nContent-Length:\t19\r\n\r\n"

static const struct conversation conversations[] = {
    {"plain",
     {{'C', "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"}, {'S', OK_EMPTY}},
     {{EYE_HTTP_GET, 200, "/a"}}},
    {"every method",
     {{'C', "POST /p HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPUT /u HTTP/1.1\r\n\r\n"
            "DELETE /d HTTP/1.1\r\n\r\nOPTIONS * HTTP/1.1\r\n\r\nPATCH /x HTTP/1.1\r\n\r\n"
            "TRACE /t HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY OK_EMPTY OK_EMPTY "HTTP/1.1 204 No Content\r\n\r\n" OK_EMPTY OK_EMPTY}},
     {{EYE_HTTP_POST, 200, "/p"},
      {EYE_HTTP_PUT, 200, "/u"},
      {EYE_HTTP_DELETE, 200, "/d"},
      {EYE_HTTP_OPTIONS, 204, "*"},
      {EYE_HTTP_PATCH, 200, "/x"},
      {EYE_HTTP_TRACE, 200, "/t"}}},
    {"pipelined",
     {{'C', "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno" OK_EMPTY}},
     {{EYE_HTTP_GET, 200, "/1"}, {EYE_HTTP_GET, 404, "/2"}, {EYE_HTTP_GET, 200, "/3"}}},
    {"bodies that look like messages",
     {{'C', "POST /a HTTP/1.1\r\nContent-Length: 19\r\n\r\nGET /b HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"},
      {'C', "GET /c HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_POST, 200, "/a"}, {EYE_HTTP_GET, 200, "/c"}}},
    {"head has no body",
     {{'C', "HEAD /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" OK_EMPTY}},
     {{EYE_HTTP_HEAD, 200, "/a"}, {EYE_HTTP_GET, 200, "/b"}}},
    {"not modified has no body",
     {{'C', "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n" OK_EMPTY}},
     {{EYE_HTTP_GET, 304, "/a"}, {EYE_HTTP_GET, 200, "/b"}}},
    {"continue",
     {{'C', "POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"},
      {'S', "HTTP/1.1 100 Continue\r\n\r\n"},
      {'C', "helloGET /b HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n" OK_EMPTY}},
     {{EYE_HTTP_POST, 201, "/a"}, {EYE_HTTP_GET, 200, "/b"}}},
    {"a final answer in the midst of a body that looks like a request",
     {{'C', "PUT /a HTTP/1.1\r\nContent-Length: 30\r\n\r\n0123456789"},
      {'S', "HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n"},
      {'C', "GET /no HTTP/1.1\r\n\r\n"},
      {'C', "GET /b HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_PUT, 413, "/a"}, {EYE_HTTP_GET, 200, "/b"}}},
    {"a final answer behind the size of a chunk that looks like a request",
     {{'C', "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n"},
      {'S', "HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n"},
      {'C', "GET /no HTTP/1.1\r\n\r\n\r\n0\r\n\r\n"},
      {'C', "GET /b HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_PUT, 413, "/a"}, {EYE_HTTP_GET, 200, "/b"}}},
    {"a body kept back behind one that was sent",
     {{'C', "PUT /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde"},
      {'S', OK_EMPTY},
      {'C', "PUT /b HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 500\r\n\r\n"},
      {'S', "HTTP/1.1 417 x\r\nContent-Length: 0\r\n\r\n"},
      {'C', "GET /c HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_PUT, 200, "/a"}, {EYE_HTTP_PUT, 417, "/b"}, {EYE_HTTP_GET, 200, "/c"}}},
    {"a body that is a request line but for its last byte",
     {{'C', "PUT /a HTTP/1.1\r\nContent-Length: 18\r\n\r\n"},
      {'S', "HTTP/1.1 417 x\r\nContent-Length: 0\r\n\r\n"},
      {'C', "XYZZY /c HTTP/1.1\r"},
      {'C', "\nGET /d HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_PUT, 417, "/a"}, {EYE_HTTP_GET, 200, "/d"}}},
    {"a chunk's size of sixteen digits, chunked before blanks",
     {{'C', "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked \t\r\n\r\n"
            "0000000000000005\r\nhello\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY OK_EMPTY}},
     {{EYE_HTTP_PUT, 200, "/a"}, {EYE_HTTP_GET, 200, "/b"}}},
    {"a tunnel that 300 refuses",
     {{'C', "CONNECT host:443 HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 300 x\r\nContent-Length: 0\r\n\r\n"},
      {'C', "GET /a HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_CONNECT, 300, "host:443"}, {EYE_HTTP_GET, 200, "/a"}}},
    {"chunked both ways, extension and trailer",
     {{'C', "POST /a HTTP/1.1\r\ntransfer-encoding: gzip, Chunked\r\n\r\n"
            "5;ext=1\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: content-length: 3\r\n\r\n"
            "GET /b HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" OK_EMPTY}},
     {{EYE_HTTP_POST, 200, "/a"}, {EYE_HTTP_GET, 200, "/b"}}},
    {"chunked beats length",
     {{'C', "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\nTransfer-Encoding: chunked\r\n\r\n"
            "0\r\n\r\n" OK_EMPTY}},
     {{EYE_HTTP_GET, 200, "/a"}, {EYE_HTTP_GET, 200, "/b"}}},
    {"until close",
     {{'C', "GET /a HTTP/1.0\r\n\r\n"}, {'S', "HTTP/1.0 200 OK\r\n\r\nHTTP/1.1 500 no\r\n\r\n"}},
     {{EYE_HTTP_GET, 200, "/a"}}},
    {"an end that is not seen: chunked behind many blanks",
     {{'C', "GET /a HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked      \r\n\r\n0\r\n\r\n"},
      {'C', "GET /b HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 201 OK\r\nContent-Length: 2\r\n\r\nok"},
      {'C', "GET /c HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_GET, 200, "/a"}, {EYE_HTTP_GET, 201, "/b"}, {EYE_HTTP_GET, 200, "/c"}}},
    {"an end that is not seen: a folded coding",
     {{'C', "GET /a HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"},
      {'C', "GET /b HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 201 OK\r\nContent-Length: 2\r\n\r\nok"},
      {'C', "GET /c HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_GET, 200, "/a"}, {EYE_HTTP_GET, 201, "/b"}, {EYE_HTTP_GET, 200, "/c"}}},
    {"an end that is not seen: a folded length",
     {{'C', "GET /a HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok"},
      {'C', "GET /b HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 201 OK\r\nContent-Length: 2\r\n\r\nok"},
      {'C', "GET /c HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_GET, 200, "/a"}, {EYE_HTTP_GET, 201, "/b"}, {EYE_HTTP_GET, 200, "/c"}}},
    {"an end that is not seen: no length, and it goes on",
     {{'C', "GET /a HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n"},
      {'C', "GET /b HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 201 OK\r\nContent-Length: 2\r\n\r\nok"},
      {'C', "GET /c HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_GET, 200, "/a"}, {EYE_HTTP_GET, 201, "/b"}, {EYE_HTTP_GET, 200, "/c"}}},
    {"a 205 has no body",
     {{'C', "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 205 Reset\r\n\r\nHTTP/1.1 205 Reset\r\nTransfer-Encoding: chunked\r\n\r\n"
            "0\r\n\r\n" OK_EMPTY}},
     {{EYE_HTTP_GET, 205, "/a"}, {EYE_HTTP_GET, 205, "/b"}, {EYE_HTTP_GET, 200, "/c"}}},
    {"fields with tabs, lone carriage returns and text beyond ASCII",
     {{'C', "POST /a HTTP/1.1\r\n" ODD_FIELDS "GET /b HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 200 OK\r\n" ODD_FIELDS "HTTP/1.1 200 OK\r\n\r\n"},
      {'C', "GET /c HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_POST, 200, "/a"}, {EYE_HTTP_GET, 200, "/c"}}},
    {"bare line feeds and odd spaces",
     {{'C', "\r\nGET /a HTTP/1.1\nHost: x\n\nGET /b HTTP/1.1\n\n"},
      {'S', "HTTP/1.1 200\ncontent-length:   2\n\nokHTTP/1.1 200 OK\r\nCONTENT-LENGTH:0\r\n\r\n"}},
     {{EYE_HTTP_GET, 200, "/a"}, {EYE_HTTP_GET, 200, "/b"}}},
    {"upgrade ends it",
     {{'C', "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"},
      {'S',
       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"},
      {'C', "GET /never HTTP/1.1\r\n\r\n"}},
     {{EYE_HTTP_GET, 101, "/ws"}}},
    {"connect ends it",
     {{'C', "CONNECT host:443 HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 200 Connection established\r\n\r\n"},
      {'C', "GET /never HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_CONNECT, 200, "host:443"}}},
    {"refused connect goes on",
     {{'C', "CONNECT host:443 HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\n\r\n"},
      {'S', "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n" OK_EMPTY}},
     {{EYE_HTTP_CONNECT, 403, "host:443"}, {EYE_HTTP_GET, 200, "/a"}}},
    {"a PROXY line before the first request",
     {{'C', "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\nGET /a HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY},
      {'C', "GET /b HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_GET, 200, "/a"}, {EYE_HTTP_GET, 200, "/b"}}},
    {"methods of other specifications, and of none",
     {{'C', "PROPFIND /p HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPURGE /u HTTP/1.1\r\n\r\n"
            "M-SEARCH * HTTP/1.1\r\n\r\nGETX /x HTTP/1.1\r\n\r\n"
            "UPDATEREDIRECTREF /r HTTP/1.1\r\n\r\n!#$%&'*+-.^_`|~19aZ /t HTTP/1.1\r\n\r\n"
            "PROXY /y HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY OK_EMPTY OK_EMPTY OK_EMPTY OK_EMPTY OK_EMPTY OK_EMPTY}},
     {{EYE_HTTP_METHOD_OTHER, 200, "/p"},
      {EYE_HTTP_METHOD_OTHER, 200, "/u"},
      {EYE_HTTP_METHOD_OTHER, 200, "*"},
      {EYE_HTTP_METHOD_OTHER, 200, "/x"},
      {EYE_HTTP_METHOD_OTHER, 200, "/r"},
      {EYE_HTTP_METHOD_OTHER, 200, "/t"},
      {EYE_HTTP_METHOD_OTHER, 200, "/y"}}},
    {"an expectation refused, and the body kept back",
     {{'C', "PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 500\r\n\r\n"},
      {'S', "HTTP/1.1 417 no\r\nContent-Length: 0\r\n\r\n"},
      {'C', "PATCH /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {'S', "HTTP/1.1 401 no\r\nContent-Length: 0\r\n\r\n"},
      {'C', "DELETE /c HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_PUT, 417, "/a"}, {EYE_HTTP_PATCH, 401, "/b"}, {EYE_HTTP_DELETE, 200, "/c"}}},
    {"an expectation refused, and the body sent all the same",
     {{'C', "PUT /a HTTP/1.1\r\nContent-Length: 10\r\n\r\n"},
      {'S', "HTTP/1.1 401 no\r\nContent-Length: 0\r\n\r\n"},
      {'C', "0123456789GET /b HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY}},
     {{EYE_HTTP_PUT, 401, "/a"}, {EYE_HTTP_GET, 200, "/b"}}},
    {"a header line longer than the window",
     {{'C', "GET /a HTTP/1.1\r\nCookie: 0123456789012345678901234567890123456789012345678901234567"
            "890123456789012345678901234567890123456789012345678901234567890123456789012345678901"
            "234567890123456789012345678901234567890123456789012345678901234567890123456789012345"
            "678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
            "\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.1\r\n\r\n"},
      {'S', OK_EMPTY OK_EMPTY}},
     {{EYE_HTTP_GET, 200, "/a"}, {EYE_HTTP_GET, 200, "/b"}}},
};
