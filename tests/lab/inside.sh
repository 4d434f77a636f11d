#!/bin/sh
# Runs as the first process of the lab's namespaces: gives it mounts of its own, then becomes
# its init. usage: inside.sh LAB_DIR PROJECT   (tests/lab/up starts it; it is of no use alone)
set -eu
dir=$1 project=$2
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
cd /

mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys # a new sysfs: it shows our interfaces only

# Our cgroup namespace makes the lab's group the root of every hierarchy, so the paths inside
# are those of a real host (/docker/ID) and two labs do not see each other's groups.
v1=$(sed -n 's/^[0-9]*:\([^:][^:]*\):.*/\1/p' /proc/self/cgroup)
mount -t tmpfs -o mode=755 cgroups /sys/fs/cgroup
if [ -n "$v1" ]; then
    for controllers in $v1; do
        name=${controllers#name=}
        mkdir "/sys/fs/cgroup/$name"
        case $controllers in
        name=*) mount -t cgroup -o "none,$controllers" cgroup "/sys/fs/cgroup/$name" ;;
        *) mount -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/$name" ;;
        esac
        case $name in # the customary links cpu -> cpu,cpuacct
        *,*) for one in $(echo "$name" | tr , ' '); do ln -s "$name" "/sys/fs/cgroup/$one"; done ;;
        esac
    done
else
    umount /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    # Version 2 gives controllers only to groups without processes: move to a leaf.
    mkdir -p /sys/fs/cgroup/init.scope
    echo 0 >/sys/fs/cgroup/init.scope/cgroup.procs
    echo $$ >/sys/fs/cgroup/init.scope/cgroup.procs
    for one in $(cat /sys/fs/cgroup/cgroup.controllers); do
        echo "+$one" >/sys/fs/cgroup/cgroup.subtree_control || true
    done
fi

# Keep hold of the two trees we need before the mounts below may hide them.
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/stage/lab /run/stage/project /run/stage/etc /run/sshd /run/lock
mount --bind "$dir" /run/stage/lab
mount --rbind "$project" /run/stage/project

# A copy of /etc in memory, with the lab's users, names, keys and certificate authority.
mount -t tmpfs -o mode=755 etc /run/stage/etc
cp -a /etc/. /run/stage/etc/
rm -f /run/stage/etc/ssh/ssh_host_* /run/stage/etc/profile.d/* /run/stage/etc/environment
rm -f /run/stage/etc/resolv.conf /run/stage/etc/docker/daemon.json /run/stage/etc/motd
cp -a /run/stage/lab/etc/. /run/stage/etc/
cat /run/stage/lab/tls/ca.crt >>/run/stage/etc/ssl/certs/ca-certificates.crt
mount --move /run/stage/etc /etc

mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=755 log /var/log
mkdir -p /var/log/nginx
mount -t tmpfs -o mode=755 srv /srv
# Whatever this machine has in /usr/local (another docker, another python) is not the lab's.
mount -t tmpfs -o mode=755 local /usr/local
mkdir -p /usr/local/bin /usr/local/sbin /usr/local/lib /usr/local/share
cp -a /run/stage/lab/local/. /usr/local/
mount --bind /run/stage/lab/home /home
mount --bind /run/stage/lab/root /root
mkdir /srv/lab /srv/git
mount --bind /run/stage/lab /srv/lab
mount --bind /run/stage/lab/git /srv/git

# The project and the lab's directory stay at their own paths, for $LAB_EXEC.
[ -e "$project/tests/lab/up" ] || { mkdir -p "$project" && mount --rbind /run/stage/project "$project"; }
[ -e "$dir/etc/passwd" ] || { mkdir -p "$dir" && mount --bind /run/stage/lab "$dir"; }
umount /run/stage/lab
umount -R -l /run/stage/project
rm -rf /run/stage

hostname hemma
ip link set lo up
# One interface with traffic to show; there is no route out of here, so nothing can leave.
ip link add eth0 type veth peer name uplink
ip addr add 192.168.50.10/24 dev eth0
ip link set uplink up
ip link set eth0 up

exec env -i HOME=/root USER=root LOGNAME=root SHELL=/bin/bash LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LAB_LISTEN="$LAB_LISTEN" LAB_OUTER_NET="$LAB_OUTER_NET" \
    /usr/bin/python3 -B /srv/lab/inside.py
