package main

import (
	"fmt"

	subid "github.com/moby/sys/user"
)

// subordinate is how many ids a user gets from usermod(8).
const subordinate = 65536

// addSubIDs gives a user subordinate ids that nobody else of this host has: two users
// with the same ids would be root of each other's files.
func addSubIDs(user string) string {
	var taken []subid.SubID
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		entries, _ := subid.ParseSubIDFile(file) // there is none before the first user has some
		taken = append(taken, entries...)
	}
	first := freeIDs(taken)
	ids := fmt.Sprintf("%d-%d", first, first+subordinate-1)
	return "usermod --add-subuids " + ids + " --add-subgids " + ids + " " + user
}

// freeIDs is the first id behind all that are given away.
func freeIDs(taken []subid.SubID) int64 {
	first := int64(100000) // where distributions begin (SUB_UID_MIN in login.defs(5))
	for _, t := range taken {
		first = max(first, t.SubID+t.Count)
	}
	return first
}
