package box

// Faces of our binary inside the template and the box, told apart by argv[0].
const (
	FaceProc = "moulinette-proc" // mounts the template's proc: [ProcMain]
	FaceInit = "moulinette-init" // PID 1 of a box: [InitMain]
)
