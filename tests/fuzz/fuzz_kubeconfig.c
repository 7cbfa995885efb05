/*
 * Feeds the input to what reads a kubeconfig and what reads the answer of an exec plugin. An error
 * must come with a message of one line.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/exec_credential.h"
#include "client/exec_plugin.h"
#include "client/kubeconfig_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int result, GError **error)
{
	if ((result < 0) != (*error != NULL) || result > 0)
		abort();
	if (*error != NULL && (strchr((*error)->message, '\n') != NULL ||
				      !g_utf8_validate((*error)->message, -1, NULL)))
		abort();
	g_clear_error(error);
}

static void read_answer(const uint8_t *data, size_t size)
{
	g_autoptr(GBytes) bytes = g_bytes_new_static(data, size);
	struct credential_content content = {0};
	GError *error = NULL;

	check(exec_credential_parse("owner", EXEC_PLUGIN_V1, bytes, &content, &error), &error);
	credential_content_finish(&content);
	g_free(exec_credential_redact(bytes, bytes));
}

static void resolve(struct kubeconfig *config)
{
	for (const char *const *name = kubeconfig_contexts(config); *name != NULL; name++) {
		struct connection *connection = NULL;
		GError *error = NULL;

		check(kubeconfig_resolve(config, *name, NULL, &connection, &error), &error);
		connection_unref(connection);
	}
}

/* A '/' other than that of "://": it might lead into devices and pipes of this machine. */
static gboolean has_path(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (i + 3 <= size && memcmp(data + i, "://", 3) == 0)
			i += 2;
		else if (data[i] == '/')
			return TRUE;
	}
	return FALSE;
}

static void read_kubeconfig(const uint8_t *data, size_t size)
{
	int fd = memfd_create("kubeconfig", MFD_CLOEXEC);
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
	const struct kubeconfig_places places = {
		.explicit_path = path, .pod = {.service_account = "/nonexistent"}};
	struct kubeconfig *config = NULL;
	GError *error = NULL;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	check(kubeconfig_load_from(&places, &config, &error), &error);
	if (config != NULL && !has_path(data, size))
		resolve(config);
	kubeconfig_destroy(config);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0)
		read_answer(data + 1, size - 1);
	else
		read_kubeconfig(data + 1, size - 1);
	return 0;
}
