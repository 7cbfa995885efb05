/* client/http.h while the name service hangs: only who waits for it is held up. */
#include <errno.h>
#include <netdb.h>

#include "client/http.h"
#include "tests/unit/http_fixture.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static gboolean hangs;
static int inside;

/*
 * Stands before libc's for libcurl as well: the program exports its symbols. Numeric addresses do
 * not come here.
 */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
	struct addrinfo **result)
{
	pthread_mutex_lock(&mutex);
	inside++;
	pthread_cond_broadcast(&changed);
	while (hangs)
		pthread_cond_wait(&changed, &mutex);
	inside--;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
	return EAI_NONAME;
}

static void wait_inside(int count)
{
	pthread_mutex_lock(&mutex);
	while (inside != count)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
}

static void release(void)
{
	pthread_mutex_lock(&mutex);
	hangs = FALSE;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
	wait_inside(0);
}

/* Another client of the same loop, whose server's name hangs. */
static void init_hanging(struct fixture *other, struct fixture *fixture)
{
	*other = *fixture;
	other->connection = connection_create("hanging");
	g_ptr_array_add(other->connection->servers, g_strdup("http://hanging.invalid:6443"));
	ck_assert_int_eq(
		credentials_create(NULL, NULL, NULL, &other->connection->credentials, NULL), 0);
	fixture_connect(other);
	hangs = TRUE;
}

static void finish_hanging(struct fixture *other)
{
	http_client_destroy(other->client);
	connection_unref(other->connection);
}

START_TEST (others_go_on_and_giving_up_is_quick) {
	struct http_request request = {.method = "GET", .path = "/", .timeout = 100};
	struct fixture fixture, other;
	struct call timed, canceled, call;

	fixture_init(&fixture);
	scripted_server_respond(fixture.server, "200 OK", "", "x");
	fixture_connect(&fixture);
	init_hanging(&other, &fixture);
	call_init(&timed, &other);
	call_start(&timed, &other, &request);
	request.timeout = 0;
	call_init(&canceled, &other);
	call_start(&canceled, &other, &request);
	wait_inside(2);
	call_wait(&timed);
	ck_assert_int_eq(timed.errnum, ETIMEDOUT);
	http_cancel(canceled.exchange);
	call_wait(&canceled);
	ck_assert_int_eq(canceled.errnum, ECANCELED);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, 0);
	/* The client ends while the resolver is still at it. */
	finish_hanging(&other);
	release();
	call_finish(&timed);
	call_finish(&canceled);
	call_finish(&call);
	fixture_finish(&fixture);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_resolve");
	TCase *all = tcase_create("all");

	tcase_set_timeout(all, 60);
	tcase_add_test(all, others_go_on_and_giving_up_is_quick);
	suite_add_tcase(suite, all);
	return fixture_run_suite(suite);
}
