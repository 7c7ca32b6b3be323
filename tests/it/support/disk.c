/*
 * A disk with faults, put before the C library of the hub (LD_PRELOAD).
 *
 * It looks at the files below DISK_ROOT only. Whenever one of them is synced, what it holds is
 * copied to DISK_SYNCED: that is what a loss of power cannot take. A synced directory is copied as
 * the list of its entries. Nothing is synced for real.
 *
 * Files in DISK_CONTROL switch the faults on:
 *
 *   full     no file can grow (ENOSPC)
 *   failing  every sync fails (EIO)
 *   lying    syncs succeed and keep nothing
 *   held     a pipe: a sync puts a byte into it and waits until nobody reads it any more
 *   cut      holds a number: the process is killed when it asks for that many syncs
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef char path_t[PATH_MAX];

static atomic_int syncs;

static void must(int done, const char *what) {
    if (!done) {
        perror(what);
        abort();
    }
}

static const char *setting(const char *name) {
    const char *value = getenv(name);
    must(value != NULL, name);
    return value;
}

/* The place of an open file below the root, "" for the root itself; NULL for others. */
static const char *place(int fd, path_t path) {
    const char *root = setting("DISK_ROOT");
    path_t link;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof(path_t) - 1);
    size_t above = strlen(root);
    if (length < 0) return NULL;
    path[length] = 0;
    if (strncmp(path, root, above) != 0) return NULL;
    return path[above] == '/' || path[above] == 0 ? path + above : NULL;
}

static int fault(const char *name, path_t path) {
    snprintf(path, sizeof(path_t), "%s/%s", setting("DISK_CONTROL"), name);
    return access(path, F_OK) == 0;
}

/* What a file is called in DISK_SYNCED: inodes are used again, but not at the same time. */
static int key(int at, const char *name, path_t key) {
    struct statx s;
    int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;
    if (statx(at, name, flags, STATX_TYPE | STATX_INO | STATX_BTIME, &s) != 0) return 0;
    snprintf(key, sizeof(path_t), "%c-%llu-%lld.%u", S_ISDIR(s.stx_mode) ? 'd' : 'f',
             (unsigned long long)s.stx_ino, (long long)s.stx_btime.tv_sec, s.stx_btime.tv_nsec);
    return 1;
}

static void list(int fd, int out) {
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY);
    DIR *entries = fdopendir(copy);
    must(entries != NULL, "listing a directory");
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        path_t name;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        /* It may be gone by now. */
        if (key(copy, entry->d_name, name)) dprintf(out, "%s %s\n", name, entry->d_name);
    }
    closedir(entries);
}

static void copy(int fd, int out) {
    off_t at = 0;
    ssize_t copied;
    while ((copied = copy_file_range(fd, &at, out, NULL, 1 << 30, 0)) > 0) {}
    must(copied == 0, "copying a synced file");
}

/* All or nothing: the process may be killed at any time. */
static void keep(int fd, const char *place) {
    path_t name, part, whole;
    must(key(fd, "", name), "naming a synced file");
    int is_directory = name[0] == 'd';
    if (*place == 0) strcpy(name, "root");
    snprintf(whole, sizeof whole, "%s/%s", setting("DISK_SYNCED"), name);
    must(snprintf(part, sizeof part, "%s.%d", whole, gettid()) < (int)sizeof part, "a short path");
    int out = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    must(out >= 0, part);
    if (is_directory) list(fd, out); else copy(fd, out);
    close(out);
    must(rename(part, whole) == 0, whole);
}

static void count(void) {
    path_t path;
    int asked = atomic_fetch_add(&syncs, 1) + 1;
    if (!fault("cut", path)) return;
    FILE *file = fopen(path, "r");
    int most;
    must(file != NULL && fscanf(file, "%d", &most) == 1, path);
    fclose(file);
    if (asked >= most) kill(getpid(), SIGKILL);
}

static void wait_where_held(void) {
    path_t path;
    if (!fault("held", path)) return;
    int pipe = open(path, O_WRONLY);
    if (pipe < 0) return;
    struct pollfd reader = {.fd = pipe};
    must(write(pipe, "s", 1) == 1, path);
    while (poll(&reader, 1, -1) < 0) {}
    close(pipe);
}

int fsync(int fd) {
    path_t path, switched;
    const char *at = place(fd, path);
    if (at == NULL) {
        int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
        return real(fd);
    }
    count();
    wait_where_held();
    if (fault("failing", switched)) {
        errno = EIO;
        return -1;
    }
    if (!fault("lying", switched)) keep(fd, at);
    return 0;
}

int fdatasync(int fd) { return fsync(fd); }

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    path_t path;
    struct stat file;
    if (fault("full", path) && place(fd, path) != NULL && fstat(fd, &file) == 0 &&
        offset + (off64_t)length > file.st_size) {
        errno = ENOSPC;
        return -1;
    }
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    return real(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return pwrite64(fd, bytes, length, offset);
}
