/* A gzip content coding, undone piece by piece (RFC 9110 8.4.1.3). One thread at a time. */
#pragma once

#include <glib.h>

struct http_inflate;

typedef void (*http_inflate_output)(void *data, const char *bytes, size_t length);

struct http_inflate *http_inflate_create(void);
void http_inflate_free(struct http_inflate *inflate); /* NULL is fine */

/*
 * Calls output with pieces of at most 256 KiB. -EIO for what is no gzip; -ENOMEM. After an error
 * no more may be given.
 */
int http_inflate_run(struct http_inflate *inflate, const char *bytes, size_t length,
	http_inflate_output output, void *data);

/* TRUE when what was given so far is the beginning of something. */
gboolean http_inflate_is_cut(const struct http_inflate *inflate);

/* All at once, up to limit bytes. NULL for what is damaged, cut or longer; else the caller's. */
GByteArray *http_inflate_all(const GByteArray *compressed, size_t limit);
