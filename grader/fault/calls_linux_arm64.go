package fault

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// legacyRules are calls that only some architectures still have: not this one.
func legacyRules() []rule { return nil }

// legacyDenied are calls to be denied that only some architectures have.
func legacyDenied() []uintptr { return nil }
