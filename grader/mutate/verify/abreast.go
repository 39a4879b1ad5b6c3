package verify

import (
	"cmp"
	"runtime"
	"sync"
)

// side does something to each of many, as many side by side as there are CPUs.
func side[T any](all []T, do func(i int, of T)) { abreast(runtime.GOMAXPROCS(0), all, do) }

// abreast does something to each of many, so many side by side.
func abreast[T any](width int, all []T, do func(i int, of T)) {
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(width, len(all)) {
		workers.Go(func() {
			for i := range next {
				do(i, all[i])
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	workers.Wait()
}

// atOnce bounds the solutions and the companies that are under way at a time: the
// records of a solution, one of each scenario, are some hundred KiB.
const atOnce = 48

// together does many things side by side, begun in their order, and answers the
// first error.
func together(all []func() error) error {
	errs := make([]error, len(all))
	abreast(atOnce, all, func(i int, do func() error) { errs[i] = do() })
	return cmp.Or(errs...)
}

func those[T any](all []T, ok func(T) bool) (left []T) {
	for _, s := range all {
		if ok(s) {
			left = append(left, s)
		}
	}
	return left
}
