#include "kubefs/process_end.h"

#include <errno.h>
#include <linux/ioctl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kubefs/process_status.h"

/* linux/pidfd.h of Linux 6.15: struct pidfd_info and what goes with it. */
struct exit_info {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t ids[11];
	int32_t code; /* as for wait(2) */
};
#define GET_INFO _IOWR(0xFF, 11, struct exit_info)
#define INFO_EXIT (UINT64_C(1) << 3)

#define SIGNAL_BITS 0x7f

/* What is known once its parent has collected it. */
static enum process_end read_collected(int pidfd)
{
	struct exit_info info = {.mask = INFO_EXIT};

	if (ioctl(pidfd, GET_INFO, &info) < 0 || (info.mask & INFO_EXIT) == 0)
		return PROCESS_END_UNKNOWN;
	return (info.code & SIGNAL_BITS) != 0 ? PROCESS_END_KILLED : PROCESS_END_EXITED;
}

static int is_collected(int pidfd)
{
	return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0 && errno == ESRCH;
}

enum process_end process_end_read(const char *proc, pid_t group, int pidfd)
{
	enum process_end end =
		process_status_killed(proc, group) ? PROCESS_END_KILLED : PROCESS_END_EXITED;

	/* Until then the number is no other process's. */
	return is_collected(pidfd) ? read_collected(pidfd) : end;
}
