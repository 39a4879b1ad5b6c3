package reference

import "golang.org/x/sys/unix"

// nativeArch is the architecture whose numbers the filter speaks of.
const nativeArch = unix.AUDIT_ARCH_AARCH64

// archDangerousCalls are those that only this architecture has: none.
func archDangerousCalls() []int { return nil }
