#include "client/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "client/error.h"
#include "client/escape.h"

#define FIRST_CAPACITY ((size_t)16 * 1024)

struct block {
	void *data;
	size_t length;
};

void secret_free(char *text)
{
	if (text == NULL)
		return;
	explicit_bzero(text, strlen(text));
	g_free(text);
}

void secret_clear(char **text)
{
	secret_free(*text);
	*text = NULL;
}

static void block_free(void *data)
{
	struct block *block = data;

	if (block->data != NULL)
		explicit_bzero(block->data, block->length);
	g_free(block->data);
	g_free(block);
}

GBytes *secret_bytes_take(void *data, size_t length)
{
	struct block *block = g_new(struct block, 1);

	block->data = data;
	block->length = length;
	return g_bytes_new_with_free_func(data, length, block_free, block);
}

GBytes *secret_bytes_new(const void *data, size_t length)
{
	return secret_bytes_take(g_memdup2(data, length), length);
}

gboolean secret_bytes_equal(GBytes *a, GBytes *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return g_bytes_equal(a, b);
}

/* realloc would leave the old block behind unwiped. */
void secret_buffer_reserve(struct secret_buffer *buffer)
{
	struct secret_buffer larger = {.length = buffer->length};

	if (buffer->length < buffer->capacity)
		return;
	larger.capacity = MAX(buffer->capacity * 2, FIRST_CAPACITY);
	larger.data = g_malloc(larger.capacity);
	if (buffer->length > 0)
		memcpy(larger.data, buffer->data, buffer->length);
	secret_buffer_finish(buffer);
	*buffer = larger;
}

void secret_buffer_finish(struct secret_buffer *buffer)
{
	if (buffer->data != NULL)
		explicit_bzero(buffer->data, buffer->capacity);
	g_free(buffer->data);
	*buffer = (struct secret_buffer){0};
}

GBytes *secret_buffer_steal(struct secret_buffer *buffer)
{
	GBytes *bytes = secret_bytes_take(buffer->data, buffer->length);

	*buffer = (struct secret_buffer){0};
	return bytes;
}

/* 0 or a negative errno. */
static int read_all(int fd, size_t limit, struct secret_buffer *buffer)
{
	for (;;) {
		ssize_t count;

		secret_buffer_reserve(buffer);
		count = read(fd, buffer->data + buffer->length, buffer->capacity - buffer->length);
		if (count == 0)
			return 0;
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		buffer->length += (size_t)count;
		if (buffer->length > limit)
			return -EFBIG;
	}
}

int secret_file_read(
	const char *path, const char *what, size_t limit, GBytes **ret_bytes, GError **error)
{
	g_autofree char *name = escape_text(path, -1);
	struct secret_buffer buffer = {0};
	int fd, result;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return error_set(error, errno, "%s %s: %s", what, name, g_strerror(errno));
	result = read_all(fd, limit, &buffer);
	close(fd);
	if (result == 0) {
		*ret_bytes = secret_buffer_steal(&buffer);
		return 0;
	}
	secret_buffer_finish(&buffer);
	if (result == -EFBIG)
		return error_set(error, EFBIG, "%s %s: larger than %zu bytes", what, name, limit);
	return error_set(error, -result, "%s %s: %s", what, name, g_strerror(-result));
}

static int sextet(char letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return letter - 'A';
	if (letter >= 'a' && letter <= 'z')
		return letter - 'a' + 26;
	if (letter >= '0' && letter <= '9')
		return letter - '0' + 52;
	if (letter == '+')
		return 62;
	return letter == '/' ? 63 : -1;
}

int secret_base64_decode(const char *text, GBytes **ret_bytes)
{
	size_t length = 0, letters = 0, padding = 0;
	unsigned char *data = g_malloc(strlen(text) / 4 * 3 + 3);
	uint32_t group = 0;
	gboolean valid = TRUE;

	for (const char *c = text; *c != '\0' && valid; c++) {
		int value = sextet(*c);

		if (*c == '\r' || *c == '\n')
			continue;
		if (*c == '=')
			padding++;
		valid = padding > 0 ? *c == '=' && padding <= 2 : value >= 0;
		group = group << 6 | (value < 0 ? 0 : (uint32_t)value);
		if (++letters % 4 != 0)
			continue;
		data[length++] = (unsigned char)(group >> 16);
		data[length++] = (unsigned char)(group >> 8);
		data[length++] = (unsigned char)group;
		group = 0;
		valid = valid && (padding == 0 || c[strspn(c + 1, "\r\n") + 1] == '\0');
	}
	if (!valid || letters % 4 != 0) {
		explicit_bzero(data, length);
		g_free(data);
		return -EINVAL;
	}
	*ret_bytes = secret_bytes_take(data, length - padding);
	return 0;
}
