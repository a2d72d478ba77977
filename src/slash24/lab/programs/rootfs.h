/* A container's file system: the host's files, read-only, beneath a writable layer that lives in memory.
 *
 * Included by pod.c. Everything here runs in the container's own mount namespace, as its first process, before exec.
 * Constants are written out because musl-gcc sees no kernel headers. Needs Linux 5.12 (mount_setattr).
 */

#define TREE_CLONE 1
#define TREE_RECURSIVE 0x8000
#define MOVE_EMPTY_PATH 0x04
#define MOVE_FOLLOW_LINKS 0x10
#define ATTR_RDONLY 1
#define ATTR_NOSUID 2
#define ATTR_NODEV 4
#define ATTR_NOEXEC 8

struct mount_attributes {
    uint64_t set, clear, propagation, userns;
};

#define RESOLVE_BENEATH_AND_NO_MAGIC (0x08 | 0x02)

/* A source A/./B is B within A: no link of B, which a container may have made, leads out of A. */
struct bind {
    const char *source, *target;
    int read_only;
};

#define MAX_PATHS 256

struct root {
    const char *stage;    /* an empty directory to build on; many containers share it, each in its own namespace */
    const char *size;     /* of the writable layer, as tmpfs writes it: 512m */
    int user_namespace;   /* overlayfs then needs userxattr */
    int read_only;        /* nothing but binds, /dev, /proc/self and the container's own folders can be written */
    int bind_count, mask_count, empty_count;
    struct bind binds[MAX_PATHS];
    const char *masks[MAX_PATHS];   /* nothing can be read there */
    const char *empties[MAX_PATHS]; /* an empty directory of the container's own stands there */
};

/* Ends the container with a text that its parent reads from the pipe. */
__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...);

static int old_root = -1; /* the node's root directory: sources of binds are looked up there */
static int stage_root = -1;

/* Return a detached copy of the mount at `path` (relative to `base`; "": `base` itself), or -1. */
static int tree_of(int base, const char *path, int recursive) {
    return (int)syscall(428, base, path,
                        TREE_CLONE | O_CLOEXEC | (*path ? 0 : AT_EMPTY_PATH) | (recursive ? TREE_RECURSIVE : 0));
}

static int change_attributes(int base, const char *path, struct mount_attributes attributes, int recursive) {
    int flags = (*path ? 0 : AT_EMPTY_PATH) | (recursive ? TREE_RECURSIVE : 0);
    return (int)syscall(442, base, path, flags, &attributes, sizeof attributes);
}

static int set_attributes(int tree, uint64_t set, int recursive) {
    return change_attributes(tree, "", (struct mount_attributes){.set = set}, recursive);
}

static void place(int tree, const char *target) {
    if (tree < 0 || syscall(429, tree, "", AT_FDCWD, target, MOVE_EMPTY_PATH | MOVE_FOLLOW_LINKS) < 0)
        fail("mounting on %s: %s", target, strerror(errno));
    close(tree);
}

static void make_directories(const char *path) {
    char part[4096];
    if (strlen(path) >= sizeof part)
        fail("path too long: %s", path);
    strcpy(part, path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(part, 0755);
        *slash = '/';
    }
    if (mkdir(part, 0755) < 0 && errno != EEXIST)
        fail("making %s: %s", path, strerror(errno));
}

/* Make an empty file to mount on. A link there (a distribution's /etc/resolv.conf) gives way: it leads nowhere here. */
static void make_file(const char *path) {
    struct stat info;
    if (lstat(path, &info) == 0) {
        if (!S_ISLNK(info.st_mode))
            return;
        unlink(path);
    }
    char parent[4096];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash && slash != parent) {
        *slash = 0;
        make_directories(parent);
    }
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (file < 0)
        fail("making %s: %s", path, strerror(errno));
    close(file);
}

/* Stack the container's directory `name` of the writable layer on `target`. */
static void place_own(const char *name, const char *target, mode_t mode) {
    if (mkdirat(stage_root, name, mode) < 0 && errno != EEXIST)
        fail("making %s: %s", name, strerror(errno));
    fchmodat(stage_root, name, mode, 0); /* past the umask */
    mkdir(target, 0755);
    place(tree_of(stage_root, name, 0), target);
}

/* Return a descriptor of a bind's source. */
static int open_source(const char *source) {
    char outer[4096];
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_PATH | O_CLOEXEC, 0, RESOLVE_BENEATH_AND_NO_MAGIC};
    const char *inner = strstr(source, "/./");
    snprintf(outer, sizeof outer, "%.*s", inner ? (int)(inner - source) : (int)sizeof outer - 1, source);
    int found = openat(old_root, outer + 1, O_PATH | O_CLOEXEC); /* relative: "/" is the container's own by now */
    if (found >= 0 && inner) {
        int folder = found;
        found = (int)syscall(437, folder, inner + 3, &how, sizeof how); /* openat2 */
        close(folder);
    }
    if (found < 0)
        fail("%s: %s", source, strerror(errno));
    return found;
}

static void place_bind(const struct bind *bind) {
    struct stat info;
    int source = open_source(bind->source);
    if (fstatat(source, "", &info, AT_EMPTY_PATH) < 0)
        fail("%s: %s", bind->source, strerror(errno));
    if (S_ISDIR(info.st_mode))
        make_directories(bind->target);
    else
        make_file(bind->target);
    int tree = tree_of(source, "", S_ISDIR(info.st_mode));
    if (tree < 0 || set_attributes(tree, ATTR_NODEV | (bind->read_only ? ATTR_RDONLY : 0), 1) < 0)
        fail("binding %s: %s", bind->source, strerror(errno));
    close(source);
    place(tree, bind->target);
}

static void place_mask(const char *path) {
    struct stat info;
    if (stat(path, &info) < 0)
        return; /* nothing there to hide */
    int tree = S_ISDIR(info.st_mode) ? tree_of(stage_root, "empty", 0) : tree_of(old_root, "dev/null", 0);
    if (tree < 0 || set_attributes(tree, ATTR_RDONLY, 0) < 0)
        fail("masking %s: %s", path, strerror(errno));
    place(tree, path);
}

static void make_read_only(const char *path) {
    int tree = tree_of(AT_FDCWD, path, 1);
    if (tree < 0)
        return;
    if (set_attributes(tree, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC, 1) < 0)
        fail("%s read-only: %s", path, strerror(errno));
    place(tree, path);
}

static void make_devices(void) {
    static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
    static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},     {"/proc/self/fd/0", "/dev/stdin"},
                                           {"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
                                           {"pts/ptmx", "/dev/ptmx"}};
    char path[32];
    place_own("dev", "/dev", 0755);
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) { /* bound, not made: a user namespace may not mknod */
        snprintf(path, sizeof path, "/dev/%s", nodes[i]);
        make_file(path);
        place(tree_of(old_root, path + 1, 0), path);
    }
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (symlink(links[i][0], links[i][1]) < 0)
            fail("making %s: %s", links[i][1], strerror(errno));
    mkdir("/dev/pts", 0755);
    if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620") < 0)
        fail("mounting devpts: %s", strerror(errno));
    place_own("shm", "/dev/shm", 01777);
}

/* Lay a writable layer of this container over `lower`; `name` tells its layers apart. Return 0, or -1 with errno. */
static int lay_over(const struct root *root, const char *lower, const char *name, const char *target) {
    char options[1024], upper[128], work[128];
    snprintf(upper, sizeof upper, "upper%s", name);
    snprintf(work, sizeof work, "work%s", name);
    mkdirat(stage_root, upper, 0755);
    mkdirat(stage_root, work, 0755);
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s/%s,workdir=%s/%s%s", lower, root->stage, upper,
             root->stage, work, root->user_namespace ? ",userxattr" : "");
    return mount("overlay", target, "overlay", MS_NODEV, options);
}

/* The whole of the machine's root directory as one layer: the mount at "/" alone, so that what is mounted in the node
 * (its /etc, its state) is not in it. */
static void lay_root(const struct root *root, const char *target) {
    if (lay_over(root, "/", "", target) < 0)
        fail("mounting the overlay on %s: %s", target, strerror(errno));
}

/* The same in a user namespace, where "/" can't be a layer: its mounts are locked together. So each folder in it is one,
 * and where even that is refused (a third overlay on one another) a read-only view. */
static void lay_folders(const struct root *root, const char *target) {
    static const char *const own[] = {"proc", "sys", "dev", "run", "tmp", "mnt", "media", "lost+found"};
    DIR *top = opendir("/");
    if (!top || mount(target, target, NULL, MS_BIND, NULL) < 0)
        fail("the root directory: %s", strerror(errno));
    for (struct dirent *entry = readdir(top); entry; entry = readdir(top)) {
        char path[300], link[256], place_at[600];
        struct stat info;
        size_t i = 0;
        snprintf(path, sizeof path, "/%s", entry->d_name);
        snprintf(place_at, sizeof place_at, "%s%s", target, path);
        if (entry->d_name[0] == '.' || lstat(path, &info) < 0)
            continue;
        if (S_ISLNK(info.st_mode)) {
            ssize_t length = readlink(path, link, sizeof link - 1);
            if (length > 0) {
                link[length] = 0;
                (void)!symlink(link, place_at);
            }
        }
        while (i < sizeof own / sizeof *own && strcmp(entry->d_name, own[i]))
            i++;
        if (!S_ISDIR(info.st_mode) || i < sizeof own / sizeof *own || mkdir(place_at, 0755) < 0)
            continue;
        if (lay_over(root, path, entry->d_name, place_at) == 0)
            continue;
        int tree = tree_of(AT_FDCWD, path, 1);
        if (tree >= 0 && set_attributes(tree, ATTR_RDONLY | ATTR_NODEV, 1) == 0)
            place(tree, place_at);
    }
    closedir(top);
}

/* Let nothing be written but devices, the container's own /proc and what is bound for writing. */
static void close_root(const struct root *root) {
    struct mount_attributes closed = {.set = ATTR_RDONLY}, open = {.clear = ATTR_RDONLY};
    int failed = change_attributes(AT_FDCWD, "/", closed, 1) < 0 || change_attributes(AT_FDCWD, "/dev", open, 1) < 0 ||
                 change_attributes(AT_FDCWD, "/proc", open, 0) < 0;
    for (int i = 0; i < root->bind_count && !failed; i++)
        if (!root->binds[i].read_only)
            failed = change_attributes(AT_FDCWD, root->binds[i].target, open, 1) < 0;
    if (failed)
        fail("the root directory read-only: %s", strerror(errno));
}

/* Build the root directory and move into it. The node's files are out of reach afterwards. */
static void build_root(const struct root *root) {
    static const char *const hidden[] = {"/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                                         "/proc/sched_debug", "/proc/scsi", "/proc/acpi", "/proc/asound",
                                         "/sys/firmware", "/sys/devices/virtual/powercap", "/sys/kernel/debug"};
    static const char *const fixed[] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"};
    char options[1024], path[512], name[16];

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        fail("making mounts private: %s", strerror(errno));
    snprintf(options, sizeof options, "mode=755,size=%s", root->size);
    /* nodev everywhere: a container's root may mknod, and no device controller stands behind it. */
    if (mount("tmpfs", root->stage, "tmpfs", MS_NODEV | MS_NOSUID, options) < 0)
        fail("mounting the writable layer on %s: %s", root->stage, strerror(errno));
    old_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    stage_root = open(root->stage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (old_root < 0 || stage_root < 0)
        fail("opening %s: %s", root->stage, strerror(errno));
    mkdirat(stage_root, "root", 0755);
    mkdirat(stage_root, "empty", 0555);
    snprintf(path, sizeof path, "%s/root", root->stage);
    (root->user_namespace ? lay_folders : lay_root)(root, path);
    if (chdir(path) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        fail("pivot_root to %s: %s", path, strerror(errno));
    chdir("/");

    mkdir("/proc", 0555);
    mkdir("/sys", 0555);
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        fail("mounting proc: %s", strerror(errno));
    if (mount("sysfs", "/sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        fail("mounting sysfs: %s", strerror(errno));
    make_devices();
    place_own("tmp", "/tmp", 01777);
    place_own("run", "/run", 0755);
    for (int i = 0; i < root->empty_count; i++) {
        snprintf(name, sizeof name, "own%d", i);
        const char *last = strrchr(root->empties[i], '/');
        place_own(name, root->empties[i], last && !strcmp(last, "/tmp") ? 01777 : 0755);
    }
    for (int i = 0; i < root->bind_count; i++)
        place_bind(&root->binds[i]);
    for (int i = 0; i < root->mask_count; i++)
        place_mask(root->masks[i]);
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        place_mask(hidden[i]);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        make_read_only(fixed[i]);
    if (root->read_only)
        close_root(root);

    if (fchdir(old_root) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        fail("leaving the node's root: %s", strerror(errno));
    close(old_root);
    close(stage_root);
}
