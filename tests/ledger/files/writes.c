/* Notes every write to the files of one folder, in order, with its data, and every sync: what a disk would be told.
 * Preloaded into the process that writes; the folder is WRITES_OF, the record goes to the file WRITES_TO. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

struct record {
    uint32_t kind; /* 'w' data at offset, 't' cut to offset, 's' sync, 'u' unlinked */
    uint32_t length;
    uint64_t offset;
    char name[64];
};

static int out = -1;
static const char *folder;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void)
{
    folder = getenv("WRITES_OF");
    out = open(getenv("WRITES_TO"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note(const char *path, uint32_t kind, uint64_t offset, const void *data, uint32_t length)
{
    struct record record = {kind, length, offset, {0}};
    size_t prefix = folder ? strlen(folder) : 0;
    if (out < 0 || !folder || strncmp(path, folder, prefix) || path[prefix] != '/')
        return;
    snprintf(record.name, sizeof record.name, "%s", path + prefix + 1);
    if (REAL(write)(out, &record, sizeof record) < 0 || (length && REAL(write)(out, data, length) < 0))
        abort();
}

static void note_fd(int fd, uint32_t kind, uint64_t offset, const void *data, uint32_t length)
{
    char link[64], path[PATH_MAX] = {0};
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) > 0)
        note(path, kind, offset, data, length);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
    ssize_t done = REAL(pwrite64)(fd, data, length, offset);
    if (done > 0)
        note_fd(fd, 'w', offset, data, done);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    return pwrite64(fd, data, length, offset);
}

ssize_t write(int fd, const void *data, size_t length)
{
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t done = REAL(write)(fd, data, length);
    if (done > 0 && offset >= 0)
        note_fd(fd, 'w', offset, data, done);
    return done;
}

int ftruncate64(int fd, off64_t length)
{
    note_fd(fd, 't', length, 0, 0);
    return REAL(ftruncate64)(fd, length);
}

int ftruncate(int fd, off_t length)
{
    return ftruncate64(fd, length);
}

int fdatasync(int fd)
{
    int done = REAL(fdatasync)(fd);
    if (done == 0)
        note_fd(fd, 's', 0, 0, 0);
    return done;
}

int fsync(int fd)
{
    int done = REAL(fsync)(fd);
    if (done == 0)
        note_fd(fd, 's', 0, 0, 0);
    return done;
}

int unlink(const char *path)
{
    note(path, 'u', 0, 0, 0);
    return REAL(unlink)(path);
}
