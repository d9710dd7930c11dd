/* A disk that can lose power, be full or be read-only, for LD_PRELOAD.
 *
 * DISK_FROM is a folder. DISK_TO is a second one, which gets what is durable: when a file of the first folder is synced,
 * what was written to it since then is copied. So after a kill, the second folder has what a power cut leaves.
 * DISK_FULL is a file: while it exists, no file of the first folder can grow.
 * DISK_READ_ONLY is a file: while it exists, no file of the first folder can be written, or opened for writing.
 * DISK_SYNC_MS is how long each sync takes. Unlinks are durable at once. The shared memory of SQLite is not on the disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES 16

struct range { off_t from, len; };
struct file { char name[256]; struct range *ranges; size_t count, room; };

static struct file files[FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* The name of a file in DISK_FROM, or NULL. */
static const char *tracked(const char *path)
{
    const char *from = getenv("DISK_FROM");
    size_t len = from ? strlen(from) : 0;
    if (!len || strncmp(path, from, len) || path[len] != '/') return NULL;
    const char *name = path + len + 1;
    size_t end = strlen(name);
    if (end > 4 && !strcmp(name + end - 4, "-shm")) return NULL;
    /* What is durable is copied for the files of the folder itself only. */
    if (getenv("DISK_TO") && (strchr(name, '/') || end >= sizeof files[0].name)) return NULL;
    return name;
}

static const char *tracked_fd(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, PATH_MAX - 1);
    if (len < 0) return NULL;
    path[len] = 0;
    return tracked(path);
}

static struct file *find(const char *name)
{
    for (int i = 0; i < FILES; i++) {
        if (!files[i].name[0]) strcpy(files[i].name, name);
        if (!strcmp(files[i].name, name)) return &files[i];
    }
    abort();
}

static void written(int fd, off_t from, ssize_t len)
{
    char path[PATH_MAX];
    const char *name = len > 0 ? tracked_fd(fd, path) : NULL;
    if (!name) return;
    pthread_mutex_lock(&lock);
    struct file *file = find(name);
    if (file->count == file->room) {
        file->room = file->room ? 2 * file->room : 64;
        file->ranges = realloc(file->ranges, file->room * sizeof *file->ranges);
        if (!file->ranges) abort();
    }
    file->ranges[file->count++] = (struct range){ from, len };
    pthread_mutex_unlock(&lock);
}

static void make_durable(int fd, const char *name)
{
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    char path[PATH_MAX], again[64];
    struct stat now;
    snprintf(path, sizeof path, "%s/%s", getenv("DISK_TO"), name);
    snprintf(again, sizeof again, "/proc/self/fd/%d", fd);
    int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), from = open(again, O_RDONLY | O_CLOEXEC);
    if (to < 0 || from < 0 || fstat(fd, &now)) abort();
    pthread_mutex_lock(&lock);
    struct file *file = find(name);
    for (size_t i = 0; i < file->count; i++) {
        off_t at = file->ranges[i].from, end = at + file->ranges[i].len;
        while (at < end) {
            char block[65536];
            size_t want = (size_t)(end - at) < sizeof block ? (size_t)(end - at) : sizeof block;
            ssize_t got = pread(from, block, want, at);
            if (got <= 0) break; /* it was truncated */
            if (real(to, block, (size_t)got, at) != got) abort();
            at += got;
        }
    }
    file->count = 0;
    if (ftruncate(to, now.st_size)) abort();
    pthread_mutex_unlock(&lock);
    close(to);
    close(from);
}

static int synced(int fd)
{
    char path[PATH_MAX];
    const char *name = tracked_fd(fd, path), *ms = getenv("DISK_SYNC_MS");
    if (!name) return 0;
    long wait = ms ? atol(ms) : 0;
    struct timespec time = { wait / 1000, wait % 1000 * 1000000 };
    while (nanosleep(&time, &time) && errno == EINTR) continue;
    if (getenv("DISK_TO")) make_durable(fd, name);
    return 1;
}

/* Whether the disk has no room for a file that ends there. */
static int is_full(int fd, off_t end)
{
    const char *flag = getenv("DISK_FULL");
    char path[PATH_MAX];
    struct stat now;
    if (!flag || access(flag, F_OK) || !tracked_fd(fd, path) || fstat(fd, &now) || end <= now.st_size) return 0;
    errno = ENOSPC;
    return 1;
}

/* Whether the disk is read-only, for this file. */
static int is_read_only(const char *name)
{
    const char *flag = getenv("DISK_READ_ONLY");
    if (!flag || !name || access(flag, F_OK)) return 0;
    errno = EROFS;
    return 1;
}

static int is_read_only_fd(int fd)
{
    char path[PATH_MAX];
    return getenv("DISK_READ_ONLY") && is_read_only(tracked_fd(fd, path));
}

static int opened(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode)
{
    int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
    int is_new = (flags & O_CREAT) && access(path, F_OK);
    /* With O_EXCL, that a file exists comes first. */
    if ((is_new || (writes && !(flags & O_EXCL))) && is_read_only(tracked(path))) return -1;
    return real(path, flags, mode);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        REAL(int, #name, const char *, int, ...); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        return opened(real, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *data, size_t len)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    if (is_read_only_fd(fd)) return -1;
    if (getenv("DISK_FULL") && is_full(fd, lseek(fd, 0, SEEK_CUR) + (off_t)len)) return -1;
    off_t at = getenv("DISK_TO") ? lseek(fd, 0, SEEK_CUR) : -1;
    ssize_t got = real(fd, data, len);
    if (at >= 0) written(fd, at, got);
    return got;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t at)
{
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    if (is_read_only_fd(fd) || is_full(fd, at + (off_t)len)) return -1;
    ssize_t got = real(fd, data, len, at);
    if (getenv("DISK_TO")) written(fd, at, got);
    return got;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at) { return pwrite64(fd, data, len, at); }

int fsync(int fd)
{
    REAL(int, "fsync", int);
    return synced(fd) ? 0 : real(fd);
}

int fdatasync(int fd)
{
    REAL(int, "fdatasync", int);
    return synced(fd) ? 0 : real(fd);
}

int unlink(const char *path)
{
    REAL(int, "unlink", const char *);
    const char *name = tracked(path);
    if (is_read_only(name)) return -1;
    if (name && getenv("DISK_TO")) {
        char copy[PATH_MAX];
        snprintf(copy, sizeof copy, "%s/%s", getenv("DISK_TO"), name);
        real(copy);
        pthread_mutex_lock(&lock);
        find(name)->count = 0;
        pthread_mutex_unlock(&lock);
    }
    return real(path);
}
