#include "client/etcd_grpc.h"

#include <errno.h>

#include "client/error.h"

#define UNCOMPRESSED 0

GBytes *etcd_grpc_wrap(const GByteArray *message)
{
	const guint32 length = GUINT32_TO_BE((guint32)message->len);
	GByteArray *body = g_byte_array_sized_new(ETCD_GRPC_HEADER + message->len);

	g_byte_array_append(body, (const guint8[]){UNCOMPRESSED}, 1);
	g_byte_array_append(body, (const guint8 *)&length, sizeof(length));
	g_byte_array_append(body, message->data, message->len);
	return g_byte_array_free_to_bytes(body);
}

int etcd_grpc_check_head(const struct http_head *head, GError **error)
{
	/* Also "application/grpc+proto". */
	const size_t length = strcspn(head->content_type, "+; \t");

	if (length == strlen(ETCD_GRPC_TYPE) &&
		g_ascii_strncasecmp(head->content_type, ETCD_GRPC_TYPE, length) == 0)
		return 0;
	return error_set(error, EPROTO, "the answer is not of gRPC");
}

static int begin_message(struct etcd_grpc_frame *frame, GError **error)
{
	if (frame->header[0] != UNCOMPRESSED)
		return error_set(error, EPROTO, "the answer is compressed");
	for (size_t i = 1; i < ETCD_GRPC_HEADER; i++)
		frame->left = frame->left << 8 | frame->header[i];
	return 0;
}

int etcd_grpc_unwrap(struct etcd_grpc_frame *frame, const char *bytes, size_t length,
	struct protobuf_input *ret_message, GError **error)
{
	struct protobuf_input rest = {bytes, bytes + length};

	while (frame->header_length < ETCD_GRPC_HEADER && rest.at < rest.end) {
		frame->header[frame->header_length++] = (unsigned char)*rest.at++;
		if (frame->header_length == ETCD_GRPC_HEADER && begin_message(frame, error) < 0)
			return -EPROTO;
	}
	if (protobuf_length(&rest) > frame->left)
		return error_set(error, EPROTO, "more than one answer");
	frame->left -= protobuf_length(&rest);
	*ret_message = rest;
	return 0;
}

int etcd_grpc_end(const struct etcd_grpc_frame *frame, GError **error)
{
	if (frame->header_length < ETCD_GRPC_HEADER || frame->left > 0)
		return error_set(error, EPROTO, "the answer ends early");
	return 0;
}

/* Percent-encoded UTF-8; what is not is taken as it stands. */
static char *decode_words(const char *encoded)
{
	GString *words = g_string_new(NULL);

	for (const char *at = encoded; at != NULL && *at != '\0'; at++) {
		if (*at == '%' && g_ascii_isxdigit(at[1]) && g_ascii_isxdigit(at[2])) {
			g_string_append_c(words, (char)(g_ascii_xdigit_value(at[1]) << 4 |
							 g_ascii_xdigit_value(at[2])));
			at += 2;
		} else {
			g_string_append_c(words, *at);
		}
	}
	return g_string_free(words, FALSE);
}

gboolean etcd_grpc_read_status(const struct http_result *http, struct etcd_failure *failure)
{
	g_autofree char *words = decode_words(http->grpc_message);
	guint64 code;

	if (http->grpc_status == NULL ||
		!g_ascii_string_to_unsigned(http->grpc_status, 10, 0, G_MAXINT, &code, NULL)) {
		failure->errnum = EPROTO;
		failure->words = g_strdup("the answer ends without its status");
		return FALSE;
	}
	if (code != 0)
		etcd_failure_set(failure, (int)code, words, 0);
	return code != ETCD_CODE_UNIMPLEMENTED;
}
