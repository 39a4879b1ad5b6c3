package vm

import (
	"context"

	"moulinette/grader/sandbox/vm/image"
)

func (h *host) choose(_ context.Context, o Options, _ *image.Image) error {
	h.accel = TCG
	if o.Accel != "" {
		h.accel = o.Accel
	}
	return nil
}
