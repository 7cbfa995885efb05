/*
 * Memory that holds credentials: wiped before it is freed, so that neither a core nor a reused
 * block shows it. Any thread.
 */
#pragma once

#include <glib.h>

/* Wipes and frees. NULL is fine. */
void secret_free(char *text);
/* For clearing a variable: wipes, frees and sets it to NULL. */
void secret_clear(char **text);

/* Bytes that are wiped when their last reference goes. Copies data. */
GBytes *secret_bytes_new(const void *data, size_t length);
/* The same for a block from g_malloc, which it takes over. */
GBytes *secret_bytes_take(void *data, size_t length);
/* Both NULL, or the same content. */
gboolean secret_bytes_equal(GBytes *a, GBytes *b);

/* A growing block that leaves no copy of what it held behind. All zero is empty. */
struct secret_buffer {
	char *data;
	size_t length;
	size_t capacity;
};

/* Makes room for at least one more byte after length. */
void secret_buffer_reserve(struct secret_buffer *buffer);
void secret_buffer_finish(struct secret_buffer *buffer);
/* Empties the buffer into bytes. */
GBytes *secret_buffer_steal(struct secret_buffer *buffer);

/*
 * Reads a whole file. what names its role in messages ("kubeconfig", "client-key"). Wiped when
 * freed. -EFBIG above limit bytes; else what open or read gave, -EISDIR for a directory.
 */
int secret_file_read(
	const char *path, const char *what, size_t limit, GBytes **ret_bytes, GError **error);

/*
 * Decodes base64 as Go's encoding/json does for []byte: the standard alphabet, padded, line ends
 * ignored. -EINVAL for anything else, without a message (the text may be secret).
 */
int secret_base64_decode(const char *text, GBytes **ret_bytes);

static inline void secret_cleanup(char **text)
{
	secret_free(*text);
}

/* A local char * that is wiped and freed when it goes out of scope. */
#define autosecret __attribute__((cleanup(secret_cleanup)))
