/* A disk that fails, for LD_PRELOAD: reads, writes and syncs of files whose path begins with EIO_FILE give EIO.
 *
 * eio_arm(call, lasts) makes that call fail, and with `lasts` every one after it; EIO_ONE_IN=N (with EIO_SEED) makes one
 * call in N fail, each process by its own chance. A write that fails has written half of what it was given.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long calls, hits, failing_call;
static int lasting;

void eio_arm(long call, int lasts) { calls = hits = 0; failing_call = call; lasting = lasts; }
long eio_calls(void) { return calls; }
long eio_hits(void) { return hits; }

static int is_ours(int descriptor) {
    const char *file = getenv("EIO_FILE");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = file ? readlink(link, path, sizeof path - 1) : -1;
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, file, strlen(file)) == 0;
}

static int by_chance(long call) {
    const char *one_in = getenv("EIO_ONE_IN"), *seed = getenv("EIO_SEED");
    if (!one_in) return 0;
    uint64_t x = (uint64_t)call * 0x9E3779B97F4A7C15u + (uint64_t)getpid() * 0xBF58476D1CE4E5B9u + (seed ? atol(seed) : 0);
    x = (x ^ (x >> 31)) * 0x94D049BB133111EBu;
    return (x ^ (x >> 29)) % (uint64_t)atol(one_in) == 0;
}

static int fails(int descriptor) {
    if (!is_ours(descriptor)) return 0;
    long call = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    int hit = (failing_call && (call == failing_call || (lasting && call > failing_call))) || by_chance(call);
    if (hit) __atomic_add_fetch(&hits, 1, __ATOMIC_SEQ_CST);
    return hit;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define BROKEN (errno = EIO, -1)

ssize_t pread(int fd, void *to, size_t size, off_t at) {
    return fails(fd) ? BROKEN : REAL(pread)(fd, to, size, at);
}
ssize_t pread64(int fd, void *to, size_t size, off64_t at) {
    return fails(fd) ? BROKEN : REAL(pread64)(fd, to, size, at);
}
ssize_t pwrite(int fd, const void *from, size_t size, off_t at) {
    int broken = fails(fd);
    ssize_t written = REAL(pwrite)(fd, from, broken ? size / 2 : size, at);
    return broken ? BROKEN : written;
}
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) {
    int broken = fails(fd);
    ssize_t written = REAL(pwrite64)(fd, from, broken ? size / 2 : size, at);
    return broken ? BROKEN : written;
}
int fsync(int fd) { return fails(fd) ? BROKEN : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails(fd) ? BROKEN : REAL(fdatasync)(fd); }
int ftruncate64(int fd, off64_t size) { return fails(fd) ? BROKEN : REAL(ftruncate64)(fd, size); }
