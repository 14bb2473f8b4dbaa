/* A disk that breaks: once the file $BROKEN holds the name of a call (pwrite64, fdatasync), that call answers EIO for files
 * whose name ends in ".log". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_broken(const char *call, int file) {
    char link[64], path[4096], word[32];
    int switched = open(getenv("BROKEN"), O_RDONLY);
    if (switched < 0) return 0;
    ssize_t length = read(switched, word, sizeof word - 1);
    close(switched);
    if (length < 0) return 0;
    word[length] = 0;
    if (strcmp(word, call) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = readlink(link, path, sizeof path);
    return length > 4 && memcmp(path + length - 4, ".log", 4) == 0;
}

int fdatasync(int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    if (is_broken("fdatasync", file)) return errno = EIO, -1;
    return real(file);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t offset) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    if (is_broken("pwrite64", file)) return errno = EIO, -1;
    return real(file, bytes, length, offset);
}
