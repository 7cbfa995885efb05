#include "tests/unit/fake_clock.h"

#include "client/loop.h"

static uint64_t passed;

/* Names that the linker gives (ld's --wrap). */
uint64_t __real_loop_now(void);
uint64_t __wrap_loop_now(void);

uint64_t __wrap_loop_now(void)
{
	return __real_loop_now() + __atomic_load_n(&passed, __ATOMIC_RELAXED);
}

void fake_clock_pass(uint64_t milliseconds)
{
	__atomic_add_fetch(&passed, milliseconds, __ATOMIC_RELAXED);
}
