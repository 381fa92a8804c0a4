/* Preloaded into a program: its wall clock is off by what a file says, its monotonic clock is the machine's.
 *
 * WALL_CLOCK names the file: two 64-bit integers in the machine's byte order, by how many milliseconds the wall
 * clock is ahead, and whether the kernel says that it is synchronised (1) or not (0). It is mapped at the start and
 * may change at any time. Nothing but the reading of the wall clock is replaced: every wait is the system's own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *wall;

__attribute__((constructor)) static void map_file(void)
{
    const char *path = getenv("WALL_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, 16, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED)
        wall = mapped;
    close(file);
}

static void shift(struct timespec *at)
{
    int64_t by_ms = wall ? wall[0] : 0;
    int64_t ns = at->tv_nsec + by_ms % 1000 * 1000000;
    int64_t carry = ns < 0 ? -1 : ns >= 1000000000;
    at->tv_sec += by_ms / 1000 + carry;
    at->tv_nsec = ns - carry * 1000000000;
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
    int failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        shift(at);
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *to)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to)
        *to = now.tv_sec;
    return now.tv_sec;
}

int adjtimex(struct timex *buffer)
{
    struct timex empty = {0};
    *buffer = empty;
    return wall && wall[1] ? TIME_OK : TIME_ERROR;
}
