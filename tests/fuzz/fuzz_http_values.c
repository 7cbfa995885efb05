/* What servers, proxies and the environment say in header values: client/http_retry.h and others.
 */
#include <stdint.h>

#include "client/http_inflate.h"
#include "client/http_proxy.h"
#include "client/http_retry.h"
#include "client/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_status(const char *text, size_t size)
{
	cJSON *object = cJSON_ParseWithLength(text, size);
	struct status status;

	if (status_read(object, &status))
		status_errnum(status.code, status.reason);
	cJSON_Delete(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	G_GNUC_UNUSED g_autoptr(GByteArray) plain = NULL;
	G_GNUC_UNUSED g_autoptr(GPtrArray) warnings = http_warnings(text);

	http_retry_after(text, 0);
	http_proxy_is_excluded(text, "api.example.com", "6443");
	http_proxy_is_excluded(text, "10.1.2.3", "6443");
	http_proxy_is_excluded("10.0.0.0/9,.example.com,[::1]:1", text, "6443");
	http_proxy_is_loopback(text);
	try_status((const char *)data, size);
	g_byte_array_append(bytes, data, (guint)size);
	plain = http_inflate_all(bytes, 65536);
	return 0;
}
