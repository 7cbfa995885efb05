#include "kubefs/member_text.h"

#include "client/escape.h"

#define NOTHING "<none>"
#define UNKNOWN "<unknown>"
#define GAP 3

enum column {
	COLUMN_NAME,
	COLUMN_ID,
	COLUMN_ROLE,
	COLUMN_VERSION,
	COLUMN_TERM,
	COLUMN_INDEX,
	COLUMN_APPLIED,
	COLUMN_SIZE,
	COLUMN_IN_USE,
	COLUMN_ALARMS,
	COLUMN_CLIENT_URLS,
	COLUMN_PEER_URLS,
	COLUMN_ERRORS,
	COLUMNS,
};

static const char *const TITLES[COLUMNS] = {
	[COLUMN_NAME] = "NAME",
	[COLUMN_ID] = "ID",
	[COLUMN_ROLE] = "ROLE",
	[COLUMN_VERSION] = "VERSION",
	[COLUMN_TERM] = "RAFT-TERM",
	[COLUMN_INDEX] = "RAFT-INDEX",
	[COLUMN_APPLIED] = "APPLIED-INDEX",
	[COLUMN_SIZE] = "DB-SIZE",
	[COLUMN_IN_USE] = "IN-USE",
	[COLUMN_ALARMS] = "ALARMS",
	[COLUMN_CLIENT_URLS] = "CLIENT-URLS",
	[COLUMN_PEER_URLS] = "PEER-URLS",
	[COLUMN_ERRORS] = "ERRORS",
};

/* As etcdctl prints it. */
static char *format_id(uint64_t id)
{
	return g_strdup_printf("%" G_GINT64_MODIFIER "x", id);
}

static char *format_number(uint64_t number)
{
	return g_strdup_printf("%" G_GUINT64_FORMAT, number);
}

/* In powers of 1000, with two digits or more. */
static char *format_size(int64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	double size = (double)bytes;
	guint unit = 0;

	for (; size >= 1000 && unit + 1 < G_N_ELEMENTS(units); unit++)
		size /= 1000;
	return g_strdup_printf("%.*f%s", size < 9.95 && unit > 0 ? 1 : 0, size, units[unit]);
}

/* What strangers said, joined with commas. */
static char *join(char *const *strings)
{
	g_autofree char *joined =
		strings != NULL ? g_strjoinv(",", (char **)strings) : g_strdup("");

	return joined[0] != '\0' ? escape_text(joined, -1) : g_strdup(NOTHING);
}

/* Of the member; NULL-terminated, g_strfreev. */
static char **alarms_of(const struct etcd_cluster *cluster, const struct etcd_member *member)
{
	GStrvBuilder *names = g_strv_builder_new();
	char **found;

	for (guint i = 0; i < cluster->alarms->len; i++) {
		const struct etcd_alarm *alarm = g_ptr_array_index(cluster->alarms, i);

		if (alarm->member == member->id)
			g_strv_builder_add(names, alarm->name);
	}
	found = g_strv_builder_end(names);
	g_strv_builder_unref(names);
	return found;
}

static char *format_alarms(const struct etcd_cluster *cluster, const struct etcd_member *member)
{
	g_auto(GStrv) alarms = alarms_of(cluster, member);

	if (alarms[0] == NULL && cluster->alarms_failure != NULL)
		return g_strdup(UNKNOWN);
	return join(alarms);
}

static const char *role_of(const struct etcd_cluster *cluster, const struct etcd_member *member)
{
	if (member == etcd_cluster_leader(cluster))
		return "leader";
	if (member->learner)
		return "learner";
	if (member->failure != NULL)
		return UNKNOWN;
	return member->leader != 0 ? "follower" : "no-leader";
}

static char *format_errors(const struct etcd_member *member)
{
	return member->failure != NULL ? g_strdup(member->failure) : join(member->errors);
}

static char **make_row(const struct etcd_cluster *cluster, const struct etcd_member *member)
{
	char **row = g_new0(char *, COLUMNS + 1);

	row[COLUMN_NAME] =
		member->name[0] != '\0' ? escape_text(member->name, -1) : g_strdup(NOTHING);
	row[COLUMN_ID] = format_id(member->id);
	row[COLUMN_ROLE] = g_strdup(role_of(cluster, member));
	row[COLUMN_ALARMS] = format_alarms(cluster, member);
	row[COLUMN_CLIENT_URLS] = join(member->client_urls);
	row[COLUMN_PEER_URLS] = join(member->peer_urls);
	row[COLUMN_ERRORS] = format_errors(member);
	if (member->failure == NULL) {
		row[COLUMN_VERSION] = escape_text(member->version, -1);
		row[COLUMN_TERM] = format_number(member->raft_term);
		row[COLUMN_INDEX] = format_number(member->raft_index);
		row[COLUMN_APPLIED] = format_number(member->raft_applied_index);
		row[COLUMN_SIZE] = format_size(member->db_size);
		row[COLUMN_IN_USE] = format_size(member->db_size_in_use);
	}
	for (int i = 0; i < COLUMNS; i++) {
		if (row[i] == NULL)
			row[i] = g_strdup(UNKNOWN);
	}
	return row;
}

static glong width_of(const GPtrArray *rows, int column)
{
	glong width = g_utf8_strlen(TITLES[column], -1);

	for (guint i = 0; i < rows->len; i++) {
		char **row = g_ptr_array_index(rows, i);

		width = MAX(width, g_utf8_strlen(row[column], -1));
	}
	return width;
}

static void append_row(GString *text, const char *const *row, const glong *widths)
{
	for (int i = 0; i < COLUMNS; i++) {
		glong blanks = widths[i] - g_utf8_strlen(row[i], -1) + GAP;

		g_string_append(text, row[i]);
		if (i + 1 < COLUMNS)
			g_string_append_printf(text, "%*s", (int)blanks, "");
	}
	g_string_append_c(text, '\n');
}

static void free_row(void *row)
{
	g_strfreev(row);
}

GBytes *member_text_table(const struct etcd_cluster *cluster)
{
	g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(free_row);
	GString *text = g_string_new(NULL);
	glong widths[COLUMNS];

	for (guint i = 0; i < cluster->members->len; i++)
		g_ptr_array_add(rows, make_row(cluster, g_ptr_array_index(cluster->members, i)));
	for (int i = 0; i < COLUMNS; i++)
		widths[i] = width_of(rows, i);
	append_row(text, TITLES, widths);
	for (guint i = 0; i < rows->len; i++)
		append_row(text, g_ptr_array_index(rows, i), widths);
	return g_string_free_to_bytes(text);
}

/* JSON */

static void add_string(cJSON *object, const char *name, const char *text)
{
	g_autofree char *escaped = escape_text(text, -1);

	cJSON_AddStringToObject(object, name, escaped);
}

static void add_id(cJSON *object, const char *name, uint64_t id)
{
	g_autofree char *text = format_id(id);

	cJSON_AddStringToObject(object, name, text);
}

/* cJSON's own numbers are doubles. */
static void add_number(cJSON *object, const char *name, uint64_t number)
{
	g_autofree char *text = format_number(number);

	cJSON_AddRawToObject(object, name, text);
}

static void add_strings(cJSON *object, const char *name, char *const *strings)
{
	cJSON *array = cJSON_AddArrayToObject(object, name);

	for (; strings != NULL && *strings != NULL; strings++) {
		g_autofree char *escaped = escape_text(*strings, -1);

		cJSON_AddItemToArray(array, cJSON_CreateString(escaped));
	}
}

static void add_status(cJSON *object, const struct etcd_member *member)
{
	add_string(object, "version", member->version);
	if (member->leader != 0)
		add_id(object, "leader", member->leader);
	else
		cJSON_AddNullToObject(object, "leader");
	add_number(object, "raftTerm", member->raft_term);
	add_number(object, "raftIndex", member->raft_index);
	add_number(object, "raftAppliedIndex", member->raft_applied_index);
	add_number(object, "dbSize", (uint64_t)member->db_size);
	add_number(object, "dbSizeInUse", (uint64_t)member->db_size_in_use);
	add_strings(object, "errors", member->errors);
}

static cJSON *make_member(const struct etcd_cluster *cluster, const struct etcd_member *member)
{
	g_auto(GStrv) alarms = alarms_of(cluster, member);
	cJSON *object = cJSON_CreateObject();

	add_string(object, "name", member->name);
	add_id(object, "id", member->id);
	add_strings(object, "peerURLs", member->peer_urls);
	add_strings(object, "clientURLs", member->client_urls);
	cJSON_AddBoolToObject(object, "isLearner", member->learner);
	cJSON_AddBoolToObject(object, "isLeader", member == etcd_cluster_leader(cluster));
	add_strings(object, "alarms", alarms);
	if (member->failure != NULL)
		cJSON_AddStringToObject(object, "failure", member->failure);
	else
		add_status(object, member);
	return object;
}

GBytes *member_text_json(const struct etcd_cluster *cluster)
{
	const struct etcd_member *leader = etcd_cluster_leader(cluster);
	cJSON *object = cJSON_CreateObject();
	cJSON *members;
	char *printed;
	GString *text;

	add_id(object, "clusterId", cluster->id);
	if (leader != NULL)
		add_id(object, "leader", leader->id);
	else
		cJSON_AddNullToObject(object, "leader");
	if (cluster->alarms_failure != NULL)
		cJSON_AddStringToObject(object, "alarmsFailure", cluster->alarms_failure);
	members = cJSON_AddArrayToObject(object, "members");
	for (guint i = 0; i < cluster->members->len; i++)
		cJSON_AddItemToArray(
			members, make_member(cluster, g_ptr_array_index(cluster->members, i)));
	printed = cJSON_Print(object);
	text = g_string_new(printed);
	g_string_append_c(text, '\n');
	cJSON_free(printed);
	cJSON_Delete(object);
	return g_string_free_to_bytes(text);
}
