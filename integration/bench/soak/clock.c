/* A wall clock that can be set for single processes: preloaded, it adds the seconds that stand in the file SOAK_CLOCK,
   a number of eight bytes, to the time of day. All other clocks are true. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
	const char *name = getenv("SOAK_CLOCK");
	int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	void *found = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
	if (file >= 0)
		close(file);
	real = dlsym(RTLD_NEXT, "clock_gettime");
	ahead = found == MAP_FAILED ? NULL : found;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
	if (!real)
		real = dlsym(RTLD_NEXT, "clock_gettime");
	int result = real(clock, now);
	if (!result && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += *ahead;
	return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
	struct timespec found;
	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &found))
		return -1;
	now->tv_sec = found.tv_sec;
	now->tv_usec = found.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *now) {
	struct timespec found;
	if (clock_gettime(CLOCK_REALTIME, &found))
		return -1;
	if (now)
		*now = found.tv_sec;
	return found.tv_sec;
}
