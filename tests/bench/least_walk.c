/* The least that any walk by names must do: getdents64 and statx of everything below a directory, on two threads.
 *
 *     least_walk DIRECTORY    prints the bytes that are allocated, hard links counted each time
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct entry { uint64_t inode; int64_t offset; unsigned short length; unsigned char type; char name[]; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static char **waiting;
static size_t count, room;
static int busy, device_major, device_minor;
static uint64_t total;

static void push(char *path)
{
    pthread_mutex_lock(&lock);
    if (count == room)
        waiting = realloc(waiting, (room = room ? 2 * room : 1024) * sizeof *waiting);
    waiting[count++] = path;
    pthread_cond_signal(&more);
    pthread_mutex_unlock(&lock);
}

static char *pop(void)
{
    char *path = NULL;
    pthread_mutex_lock(&lock);
    busy--;
    while (!count && busy)
        pthread_cond_wait(&more, &lock);
    if (count) {
        path = waiting[--count];
        busy++;
    } else
        pthread_cond_broadcast(&more);
    pthread_mutex_unlock(&lock);
    return path;
}

static uint64_t directory(const char *path)
{
    char buffer[1 << 16];
    uint64_t blocks = 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    long got;
    while (fd >= 0 && (got = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < got;) {
            struct entry *found = (struct entry *)(buffer + at);
            struct statx status;
            at += found->length;
            if (!strcmp(found->name, ".") || !strcmp(found->name, ".."))
                continue;
            if (statx(fd, found->name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status))
                continue;
            if ((int)status.stx_dev_major != device_major || (int)status.stx_dev_minor != device_minor)
                continue;
            blocks += status.stx_blocks;
            if (S_ISDIR(status.stx_mode)) {
                char *below;
                if (asprintf(&below, "%s/%s", path, found->name) > 0)
                    push(below);
            }
        }
    if (fd >= 0)
        close(fd);
    return blocks;
}

static void *walk(void *unused)
{
    uint64_t blocks = 0;
    char *path;
    while ((path = pop())) {
        blocks += directory(path);
        free(path);
    }
    __atomic_add_fetch(&total, blocks, __ATOMIC_RELAXED);
    return unused;
}

int main(int argc, char **argv)
{
    struct statx status;
    pthread_t other;
    if (argc != 2 || statx(AT_FDCWD, argv[1], 0, STATX_BASIC_STATS, &status))
        return 1;
    device_major = status.stx_dev_major, device_minor = status.stx_dev_minor;
    total = status.stx_blocks;
    busy = 2;
    push(strdup(argv[1]));
    pthread_create(&other, NULL, walk, NULL);
    walk(NULL);
    pthread_join(other, NULL);
    printf("%llu\n", (unsigned long long)total * 512);
    return 0;
}
