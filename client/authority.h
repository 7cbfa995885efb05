/*
 * Whom to trust: the PEM text of the certificate authorities that a server is checked against.
 * What came from a file is read again after five minutes, as client-go does it
 * (transport/ca_rotation.go), and soon after a server was not trusted; on a thread of its own,
 * since a file may hang. What cannot be read, or is no PEM text, changes nothing. Thread-safe.
 */
#pragma once

#include <glib.h>

#define AUTHORITY_LIFETIME_MS 300000U
/* After a doubt it is not read sooner than this after the last time. */
#define AUTHORITY_DOUBT_MS 2000U

struct authority;

/*
 * pem: what was read just now, referenced; path: where, or NULL for what never changes. lifetime is
 * in milliseconds.
 */
struct authority *authority_create(GBytes *pem, const char *path, unsigned int lifetime);
/* Returns NULL; NULL is fine. */
struct authority *authority_unref(struct authority *authority);

/* What holds now; the caller owns a reference. Never blocks; a file that is due is read beside. */
GBytes *authority_get(struct authority *authority);
/* A server's certificate was not trusted: the next authority_get may find the file due. */
void authority_doubt(struct authority *authority);
