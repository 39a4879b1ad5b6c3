#!/bin/busybox sh
# The first process of a guest that a person looks around in.
export PATH=/bin HOME=/root
if [ -z "$MOVED" ]; then
	/bin/busybox --install -s /bin
	mkdir -p /proc /sys /tmp /run /newroot
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs devtmpfs /dev
	mkdir -p /dev/pts
	mount -t devpts devpts /dev/pts
	mount -t tmpfs tmpfs /tmp
	mount -t tmpfs tmpfs /run
	while read -r module; do insmod "/modules/$module"; done </modules/order
	ip link set lo up
	hostname guest
	# pivot_root(2) refuses the file system that a kernel starts with; so that
	# it works below, that one becomes a mount like any other.
	mount -o rbind / /newroot
	cd /newroot || exit
	mount -o move . /
	MOVED=1 exec chroot . /shell
fi
unset MOVED
[ -z "$ROWS" ] || stty rows "$ROWS" cols "$COLS"
cd /root || cd /
echo "Linux $(uname -r). Your files are in /root; exit, or Ctrl-A and X, end the machine."
setsid cttyhack sh
poweroff -f
