/* Stands between a process and its disk and network: counts, kills, fails and records. Loaded with LD_PRELOAD.

   Orders come through a page of numbers in a shared file, so that they can change while the process lives; `interposer.py` writes them.
   Watched are the files of one directory, and requests that change something at a vendor.
   The rule that keeps it true: with no orders given, every call does what it would have done.
   It must not know: tables, pages, or whose requests these are. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct orders {
    int64_t commits, sends, changes;        /* counted: commits on disk, requests sent, changes of watched files */
    int64_t signal;                         /* what to do to oneself at the moment below */
    int64_t before_commit, after_commit;    /* the n-th, counted from 1; 0 for never */
    int64_t before_send, after_send;
    int64_t before_change;
    int64_t write_error, sync_error;        /* errno in which changes, and syncs, of watched files end; 0 for none */
    int64_t fail_after_send, fail_before_change;    /* the n-th, from which on changes end so */
    int64_t error;                          /* in this errno */
    int64_t refused;                        /* how many did */
};

static struct orders nothing, *orders = &nothing;
static char watched[PATH_MAX];
static size_t watched_length;
static int trace = -1;
static int uncommitted;
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void start(void) {
    const char *directory = getenv("SHIM_DIRECTORY"), *page = getenv("SHIM_ORDERS"), *record = getenv("SHIM_TRACE");
    if (!directory || !page) return;
    snprintf(watched, sizeof watched, "%s/", directory);
    watched_length = strlen(watched);
    int file = open(page, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *at = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (at != MAP_FAILED) orders = at;
    close(file);
    if (record) trace = open(record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The same, but what happens is that from here on nothing can be changed. */
static void fails_from(int64_t count, int64_t *moment) {
    if (!*moment || count < *moment) return;
    *moment = 0;
    orders->write_error = orders->error;
}

/* The path of an open file below the watched directory, or NULL. */
static const char *name_of(int file, char path[PATH_MAX]) {
    char link[64];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = watched_length ? readlink(link, path, PATH_MAX - 1) : -1;
    errno = before;
    if (length < 0) return NULL;
    path[length] = 0;
    return strncmp(path, watched, watched_length) ? NULL : path + watched_length;
}

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && !strcmp(text + length - wanted, end);
}

/* At its moment, once: a commit that was under way when the order came may have passed it. */
static void reached(int64_t count, int64_t *moment) {
    if (!*moment || count < *moment) return;
    *moment = 0;
    kill(getpid(), (int)orders->signal);
}

/* One entry: kind, length of the name, offset, length of the data; name; data. Called with the lock held. */
static void record(char kind, const char *name, int64_t offset, const void *data, size_t size) {
    if (trace < 0) return;
    struct { int32_t kind, name; int64_t offset, size; } head = {kind, (int32_t)strlen(name), offset, (int64_t)size};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)name, strlen(name)}, {(void *)data, data ? size : 0}};
    int before = errno;
    if (writev(trace, parts, data ? 3 : 2) < 0) abort();
    errno = before;
}

/* Before a change of a watched file: true where it must fail. */
static int refuse(const char *name) {
    int64_t count = __atomic_add_fetch(&orders->changes, 1, __ATOMIC_SEQ_CST);
    reached(count, &orders->before_change);
    fails_from(count, &orders->fail_before_change);
    if (!orders->write_error || ends_with(name, "-shm")) return 0;
    __atomic_add_fetch(&orders->refused, 1, __ATOMIC_SEQ_CST);
    errno = (int)orders->write_error;
    return 1;
}

/* A frame of a write-ahead log follows its header of 32 bytes; the first since the last sync begins a commit. */
static void frame_begins(const char *name, int64_t offset) {
    if (!ends_with(name, "-wal") || offset < 32 || uncommitted) return;
    uncommitted = 1;
    reached(orders->commits + 1, &orders->before_commit);
}

static ssize_t changed(const char *name, int64_t offset, const void *data, ssize_t done) {
    if (done > 0) record('w', name, offset, data, (size_t)done);
    return done;
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    REAL(pwrite64);
    char path[PATH_MAX];
    const char *name = name_of(file, path);
    if (!name) return real(file, data, size, offset);
    pthread_mutex_lock(&one_at_a_time);
    frame_begins(name, offset);
    ssize_t done = refuse(name) ? -1 : changed(name, offset, data, real(file, data, size, offset));
    pthread_mutex_unlock(&one_at_a_time);
    return done;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) { return pwrite64(file, data, size, offset); }

static int truncated(int file, off64_t size, int (*real)(int, off64_t)) {
    char path[PATH_MAX];
    const char *name = name_of(file, path);
    if (!name) return real(file, size);
    pthread_mutex_lock(&one_at_a_time);
    int result = refuse(name) ? -1 : real(file, size);
    if (!result) record('t', name, size, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

int ftruncate64(int file, off64_t size) { REAL(ftruncate64); return truncated(file, size, real); }
int ftruncate(int file, off_t size) { REAL(ftruncate64); return truncated(file, size, real); }

static int synced(int file, int (*real)(int)) {
    char path[PATH_MAX], directory[PATH_MAX];
    const char *name = name_of(file, path);
    if (!name) {
        /* The directory itself, which makes the names in it durable. */
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        ssize_t length = readlink(link, directory, sizeof directory - 1);
        int result = real(file);
        if (!result && length > 0 && watched_length == (size_t)length + 1 && !strncmp(directory, watched, (size_t)length)) {
            pthread_mutex_lock(&one_at_a_time);
            record('d', "", 0, NULL, 0);
            pthread_mutex_unlock(&one_at_a_time);
        }
        return result;
    }
    pthread_mutex_lock(&one_at_a_time);
    int result = -1;
    if (orders->sync_error) {
        __atomic_add_fetch(&orders->refused, 1, __ATOMIC_SEQ_CST);
        errno = (int)orders->sync_error;
        uncommitted = 0;
    } else if (!(result = real(file))) {
        record('s', name, 0, NULL, 0);
        if (uncommitted && ends_with(name, "-wal")) {
            uncommitted = 0;
            reached(__atomic_add_fetch(&orders->commits, 1, __ATOMIC_SEQ_CST), &orders->after_commit);
        }
    }
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

int fsync(int file) { REAL(fsync); return synced(file, real); }
int fdatasync(int file) { REAL(fdatasync); return synced(file, real); }

static int opened(const char *path, int flags, mode_t mode, int (*real)(const char *, int, ...)) {
    int ours = watched_length && (flags & (O_WRONLY | O_RDWR | O_CREAT)) && !strncmp(path, watched, watched_length);
    if (ours && orders->write_error == EROFS) { errno = EROFS; return -1; }
    if (ours && (flags & O_CREAT) && orders->write_error && access(path, F_OK)) { errno = (int)orders->write_error; return -1; }
    int file = real(path, flags, mode);
    if (ours && file >= 0 && (flags & O_CREAT)) {
        pthread_mutex_lock(&one_at_a_time);
        record('o', path + watched_length, 0, NULL, 0);
        pthread_mutex_unlock(&one_at_a_time);
    }
    return file;
}

#define MODE_OF(flags) mode_t mode = 0; if ((flags) & O_CREAT) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open64(const char *path, int flags, ...) { REAL(open64); MODE_OF(flags) return opened(path, flags, mode, real); }
int open(const char *path, int flags, ...) { REAL(open64); MODE_OF(flags) return opened(path, flags, mode, real); }

int unlink(const char *path) {
    REAL(unlink);
    if (!watched_length || strncmp(path, watched, watched_length)) return real(path);
    pthread_mutex_lock(&one_at_a_time);
    int result = real(path);
    if (!result) record('u', path + watched_length, 0, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

/* A request that changes something: not a GET, and no search, which one vendor wants posted. */
static int changes_something(const char *data, size_t size) {
    static const char *verbs[] = {"POST ", "PUT ", "PATCH ", "DELETE "};
    const char *end = memchr(data, '\r', size);
    if (!end || memmem(data, (size_t)(end - data), "/search", 7)) return 0;
    for (size_t each = 0; each < sizeof verbs / sizeof *verbs; each++)
        if (!strncmp(data, verbs[each], strlen(verbs[each]))) return 1;
    return 0;
}

static int64_t sending(const void *data, size_t size) {
    if (!watched_length || size < 16) return 0;
    if (!memcmp(data, "HTTP/1.1 200", 12)) {
        pthread_mutex_lock(&one_at_a_time);
        record('a', "", 0, data, size);
        pthread_mutex_unlock(&one_at_a_time);
    }
    if (!changes_something(data, size)) return 0;
    pthread_mutex_lock(&one_at_a_time);
    record('r', "", 0, data, size);
    pthread_mutex_unlock(&one_at_a_time);
    int64_t count = __atomic_add_fetch(&orders->sends, 1, __ATOMIC_SEQ_CST);
    reached(count, &orders->before_send);
    return count;
}

ssize_t send(int file, const void *data, size_t size, int flags) {
    REAL(send);
    int64_t count = sending(data, size);
    if (count) fails_from(count, &orders->fail_after_send);
    ssize_t done = real(file, data, size, flags);
    if (count) reached(count, &orders->after_send);
    return done;
}

ssize_t sendmsg(int file, const struct msghdr *message, int flags) {
    REAL(sendmsg);
    int64_t count = message->msg_iovlen ? sending(message->msg_iov[0].iov_base, message->msg_iov[0].iov_len) : 0;
    if (count) fails_from(count, &orders->fail_after_send);
    ssize_t done = real(file, message, flags);
    if (count) reached(count, &orders->after_send);
    return done;
}
