#include "client/exec_plugin.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/error.h"
#include "client/escape.h"
#include "client/exec_credential.h"
#include "client/secret.h"
#include "client/subprocess.h"

#define ERROR_LIMIT ((size_t)1024)

struct plugin_source {
	struct credential_source base;
	char *owner;
	char *command;
	char *name; /* the command for messages */
	char **arguments;
	char **environment;
	char *api_version;
	char *install_hint;
	char *info;
	unsigned int timeout;
};

static void secret_strfreev(char **strings)
{
	for (char **string = strings; string != NULL && *string != NULL; string++)
		explicit_bzero(*string, strlen(*string));
	g_strfreev(strings);
}

static void environment_cleanup(char ***environment)
{
	secret_strfreev(*environment);
}

static gboolean is_program(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode) && eaccess(path, X_OK) == 0;
}

/*
 * As Go's exec.LookPath: a command with a '/' is a path; relative entries of $PATH do not count.
 * NULL when there is none.
 */
static char *find_command(const char *command)
{
	const char *path = g_getenv("PATH");
	g_auto(GStrv) directories = g_strsplit(path != NULL ? path : "", ":", -1);

	if (strchr(command, '/') != NULL)
		return g_strdup(command);
	for (unsigned int i = 0; directories[i] != NULL; i++) {
		g_autofree char *file = g_build_filename(directories[i], command, NULL);

		if (g_path_is_absolute(directories[i]) && is_program(file))
			return g_steal_pointer(&file);
	}
	return NULL;
}

static char **build_environment(const struct plugin_source *source)
{
	char **environment = g_get_environ();

	for (char **entry = source->environment; *entry != NULL; entry++) {
		char *equals = strchr(*entry, '=');
		g_autofree char *name = g_strndup(*entry, (size_t)(equals - *entry));

		environment = g_environ_setenv(environment, name, equals + 1, TRUE);
	}
	return g_environ_setenv(environment, "KUBERNETES_EXEC_INFO", source->info, TRUE);
}

static int fail_to_start(const struct plugin_source *source, int errnum, GError **error)
{
	g_autofree char *hint = NULL;

	if (errnum != ENOENT)
		return error_set(error, errnum, "%s: exec plugin %s: %s", source->owner,
			source->name, g_strerror(errnum));
	hint = escape_lines(source->install_hint);
	return error_set(error, ENOENT, "%s: exec plugin %s not found%s%s", source->owner,
		source->name, *hint != '\0' ? ": " : "", hint);
}

/* errnum: why subprocess_run stopped it, or 0 when it ended without success. */
static int fail_to_run(const struct plugin_source *source, int errnum,
	const struct subprocess_result *ended, GError **error)
{
	g_autofree char *said = exec_credential_redact(ended->errors, ended->output);
	g_autofree char *how = NULL;

	if (errnum == ETIMEDOUT)
		how = g_strdup_printf("gave no answer within %u s", (source->timeout + 999) / 1000);
	else if (errnum == EMSGSIZE)
		how = g_strdup_printf("printed more than %zu bytes", EXEC_PLUGIN_OUTPUT_LIMIT);
	else if (errnum == ECANCELED)
		how = g_strdup("was stopped");
	else if (errnum != 0)
		how = g_strdup_printf("failed: %s", g_strerror(errnum));
	else if (WIFSIGNALED(ended->status))
		how = g_strdup_printf("was killed by signal %d (%s)", WTERMSIG(ended->status),
			g_strsignal(WTERMSIG(ended->status)));
	else
		how = g_strdup_printf("failed with exit status %d", WEXITSTATUS(ended->status));
	return error_set(error, errnum != 0 ? errnum : EACCES, "%s: exec plugin %s %s%s%s",
		source->owner, source->name, how, *said != '\0' ? ": " : "", said);
}

/* A warning, or what the plugin wants done, in a run that succeeded. */
static void note_errors(const struct plugin_source *source, const struct subprocess_result *ended)
{
	g_autofree char *said = exec_credential_redact(ended->errors, ended->output);

	if (*said != '\0')
		g_debug("%s: exec plugin %s: %s", source->owner, source->name, said);
}

static int run(const struct plugin_source *source, const char *path, int cancel_fd,
	struct subprocess_result *ret_ended)
{
	__attribute__((cleanup(environment_cleanup))) char **environment =
		build_environment(source);
	const struct subprocess subprocess = {
		.path = path,
		.argv = (const char *const *)source->arguments,
		.envp = (const char *const *)environment,
		.timeout = source->timeout,
		.output_limit = EXEC_PLUGIN_OUTPUT_LIMIT,
		.error_limit = ERROR_LIMIT,
		.cancel_fd = cancel_fd,
	};

	return subprocess_run(&subprocess, ret_ended);
}

static int fetch(struct credential_source *base, int cancel_fd,
	struct credential_content *ret_content, GError **error)
{
	const struct plugin_source *source = (struct plugin_source *)base;
	g_autofree char *path = find_command(source->command);
	struct subprocess_result ended = {0};
	int result;

	if (path == NULL)
		return fail_to_start(source, ENOENT, error);
	result = run(source, path, cancel_fd, &ended);
	if (ended.output == NULL)
		return fail_to_start(source, -result, error);
	if (result == 0 && WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 0) {
		note_errors(source, &ended);
		result = exec_credential_parse(
			source->owner, source->api_version, ended.output, ret_content, error);
	} else {
		result = fail_to_run(source, -result, &ended, error);
	}
	subprocess_result_finish(&ended);
	return result;
}

static void destroy(struct credential_source *base)
{
	struct plugin_source *source = (struct plugin_source *)base;

	g_free(source->owner);
	g_free(source->command);
	g_free(source->name);
	secret_strfreev(source->arguments);
	secret_strfreev(source->environment);
	g_free(source->api_version);
	g_free(source->install_hint);
	secret_free(source->info);
	g_free(source);
}

static const struct credential_source_ops ops = {
	.fetch = fetch,
	.destroy = destroy,
};

static char **build_arguments(const struct exec_plugin *plugin)
{
	GPtrArray *arguments = g_ptr_array_new();

	g_ptr_array_add(arguments, g_strdup(plugin->command));
	for (unsigned int i = 0; plugin->arguments != NULL && plugin->arguments[i] != NULL; i++)
		g_ptr_array_add(arguments, g_strdup(plugin->arguments[i]));
	g_ptr_array_add(arguments, NULL);
	return (char **)g_ptr_array_free(arguments, FALSE);
}

int exec_plugin_create(const struct exec_plugin *plugin, const struct credential_clock *clock,
	struct credentials **ret_credentials, GError **error)
{
	struct plugin_source *source;

	if (g_strcmp0(plugin->api_version, EXEC_PLUGIN_V1) != 0 &&
		g_strcmp0(plugin->api_version, EXEC_PLUGIN_V1BETA1) != 0)
		return error_set(error, EINVAL,
			"%s: exec: apiVersion must be " EXEC_PLUGIN_V1 " or " EXEC_PLUGIN_V1BETA1,
			plugin->owner);
	source = g_new0(struct plugin_source, 1);
	source->base.ops = &ops;
	source->owner = g_strdup(plugin->owner);
	source->command = g_strdup(plugin->command);
	source->name = escape_text(plugin->command, -1);
	source->arguments = build_arguments(plugin);
	source->environment = plugin->environment != NULL ? g_strdupv((char **)plugin->environment)
							  : g_new0(char *, 1);
	source->api_version = g_strdup(plugin->api_version);
	source->install_hint = g_strdup(plugin->install_hint != NULL ? plugin->install_hint : "");
	source->info = exec_credential_info(plugin->api_version, plugin->cluster);
	source->timeout =
		plugin->timeout != 0 ? plugin->timeout : EXEC_PLUGIN_TIMEOUT_SECONDS * 1000;
	return credentials_create(&source->base, NULL, clock, ret_credentials, error);
}
