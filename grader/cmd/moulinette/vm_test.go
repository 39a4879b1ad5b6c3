package main

import (
	"testing"
	"time"
)

func TestAgo(t *testing.T) {
	for ago, want := range map[time.Duration][2]string{
		time.Second: {"0m ago", "il y a 0m"}, 90 * time.Minute: {"1h30m ago", "il y a 1h30m"}, 300 * time.Hour: {"12d ago", "il y a 12j"},
	} {
		for i, lang := range []string{"en", "fr"} {
			if got := (&app{lang: lang}).ago(ago); got != want[i] {
				t.Errorf("%v: %s; want %s", ago, got, want[i])
			}
		}
	}
}
