/*
 * Lets time pass for what asks loop_now (client/loop.h) how late it is; timers go by the real one.
 * For programs that are linked with --wrap=loop_now.
 */
#pragma once

#include <stdint.h>

void fake_clock_pass(uint64_t milliseconds);
/*
 * From now on only what is passed passes, however slow the machine is. While nobody else looks at
 * the clock: before a test starts its threads. Until fake_clock_start.
 */
void fake_clock_stop(void);
void fake_clock_start(void);
