package fault

const sysFork = ^uintptr(0)

func legacyRoads() map[string]func() error { return nil }

func legacyTricks() map[string]func() error { return nil }
