#include "tests/unit/fake_clock.h"

#include "client/loop.h"

static uint64_t passed;
static uint64_t stopped; /* what it showed then; 0: it runs */

/* Names that the linker gives (ld's --wrap). */
uint64_t __real_loop_now(void);
uint64_t __wrap_loop_now(void);

uint64_t __wrap_loop_now(void)
{
	uint64_t now = __atomic_load_n(&stopped, __ATOMIC_RELAXED);

	if (now == 0)
		now = __real_loop_now();
	return now + __atomic_load_n(&passed, __ATOMIC_RELAXED);
}

void fake_clock_pass(uint64_t milliseconds)
{
	__atomic_add_fetch(&passed, milliseconds, __ATOMIC_RELAXED);
}

void fake_clock_stop(void)
{
	__atomic_store_n(&stopped, __real_loop_now(), __ATOMIC_RELAXED);
}

void fake_clock_start(void)
{
	__atomic_store_n(&stopped, 0, __ATOMIC_RELAXED);
}
