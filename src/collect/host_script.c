/* What is asked of the host: POSIX shell and awk, as few processes as can be. awk reads the files
 * itself, one that is missing costs nothing, and only what is wanted crosses the link. */
#include "collect/host_parse.h"

/* `date` comes first, so that the clock is read as near to the question as can be. */
const struct probe_script host_now_script = {
    .name = "load and memory",
    .timeout_ms = 10000,
    .max = 32768,
    .text =
        "date +'clock %s.%N'\n"
        "awk '\n"
        "function first(name, file,   l) {\n"
        "    if ((getline l < file) > 0) print name, l\n"
        "    close(file)\n"
        "}\n"
        "BEGIN {\n"
        "    first(\"stat\", \"/proc/stat\")\n"
        "    first(\"load\", \"/proc/loadavg\")\n"
        "    first(\"uptime\", \"/proc/uptime\")\n"
        "    first(\"psi_cpu\", \"/proc/pressure/cpu\")\n"
        "    first(\"psi_memory\", \"/proc/pressure/memory\")\n"
        "    first(\"psi_io\", \"/proc/pressure/io\")\n"
        "    f = \"/proc/meminfo\"\n"
        "    while ((getline l < f) > 0)\n"
        "        if (l ~ /^(MemTotal|MemFree|MemAvailable|Buffers|Cached|SwapTotal|SwapFree):/)\n"
        "            print \"mem\", l\n"
        "    close(f)\n"
        "    f = \"/proc/net/dev\"\n"
        "    while ((getline l < f) > 0)\n"
        "        if (sub(/:/, \" \", l) &&\n"
        "            l !~ /^ "
        "*(lo |veth|br-|docker|virbr|cni|cali|flannel|vxlan|dummy|ifb|sit|tunl)/)\n"
        "            print \"nic\", l\n"
        "    close(f)\n"
        "    print \"end\"\n"
        "}'\n",
};

const struct probe_script host_facts_script = {
    .name = "name and version",
    .timeout_ms = 10000,
    .max = 8192,
    .text = "for f in /etc/os-release /usr/lib/os-release; do\n"
            "    if [ -r $f ]; then grep -E '^(NAME|VERSION|PRETTY_NAME)=' $f; break; fi\n"
            "done\n"
            "echo \"hostname $(cat /proc/sys/kernel/hostname)\"\n"
            "echo \"kernel $(cat /proc/sys/kernel/osrelease)\"\n"
            "echo \"cpus $(getconf _NPROCESSORS_ONLN || grep -c ^processor /proc/cpuinfo)\"\n"
            "date +'zone %z'\n",
};

/* Only real filesystems are named to df, each device once: a network filesystem that hangs would
 * hang df too. `/` is always asked about. */
const struct probe_script host_disks_script = {
    .name = "disk usage",
    .timeout_ms = 20000,
    .max = 65536,
    .text =
        "(\n"
        "set -f\n"
        "IFS='\n"
        "'\n"
        "list=$(awk '\n"
        "    $2 != \"/\" && $1 !~ /^\\// && $3 !~ /^(zfs|btrfs|bcachefs)$/ { next }\n"
        "    $2 != \"/\" && $3 ~ /^(squashfs|iso9660|erofs|fuse|nfs|cifs|smb|ceph|9p)/ { next }\n"
        "    $1 == \"rootfs\" || seen[$1]++ { next }\n"
        "    { gsub(/\\\\040/, \" \", $2); print $3 \" \" $2 }\n"
        "' /proc/mounts)\n"
        "set --\n"
        "for l in $list; do\n"
        "    if [ -d \"${l#* }\" ]; then set -- \"$@\" \"${l#* }\"; echo \"mount $l\"; fi\n"
        "done\n"
        "unset IFS\n"
        "if [ $# -gt 0 ]; then\n"
        "    t=; timeout 1 true && t='timeout 5'\n"
        "    echo blocks; $t df -Pk \"$@\"\n"
        "    echo inodes; $t df -Pi \"$@\"\n"
        "fi\n"
        "echo end\n"
        ")\n",
};
