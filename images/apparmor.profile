# Lets codex-runner make its sandboxes on hosts that keep user namespaces from ordinary programs
# (kernel.apparmor_restrict_unprivileged_userns = 1, as Ubuntu 24.04 and later).
# `codex-runner doctor` prints the command that writes the path below and loads this file.

abi <abi/4.0>,
include <tunables/global>

# The bubblewrap of the installed codex package; a path, not a pattern: nothing else is let through.
@{codex_runner_bwrap} = "/opt/codex/codex-resources/bwrap"

# Unconfined but for the name. What it starts keeps the name, so codex's inner sandbox, one
# bubblewrap in another, may make its namespaces as well; the system call filter decides for others.
profile codex-runner-bwrap @{codex_runner_bwrap} flags=(unconfined) {
  userns,
}

# For containers of the docker engine, instead of docker-default, which forbids every mount.
# The container has no capability and a system call filter of its own; namespaces and mounts
# are allowed here so that codex's inner sandbox can make its own inside of it.
profile codex-runner-container flags=(attach_disconnected, mediate_deleted) {
  file,
  network,
  capability,
  userns,
  mount,
  umount,
  pivot_root,

  # To itself, and from those who start and end containers.
  signal (send, receive) peer=codex-runner-container,
  signal (receive) peer=unconfined,
  signal (receive) peer=runc,
  signal (receive) peer=crun,
  ptrace (read, readby) peer=codex-runner-container,

  # Settings and memory of the kernel; whoever mounts them anew meets the same rules.
  deny /proc/sys/** wkl,
  deny /proc/sysrq-trigger rwkl,
  deny /proc/kcore rwkl,
  deny /proc/kmsg rwkl,
  deny /proc/mem rwkl,
  deny /proc/kmem rwkl,
  deny /proc/irq/** wkl,
  deny /proc/bus/** wkl,
  deny /proc/scsi/** wkl,
  deny /sys/** wkl,
  deny /sys/firmware/** rwkl,
  deny /sys/kernel/security/** rwkl,
  deny mount fstype=(sysfs, cgroup, cgroup2, debugfs, tracefs, securityfs, bpf, configfs),
}
