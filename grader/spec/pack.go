package spec

// Pack is the metadata with which the school deploys an exercise.
type Pack struct {
	ExerciseID        string   `yaml:"exercise_id"`
	Slug              string   `yaml:"slug"`
	Module            string   `yaml:"module"`
	ModuleName        string   `yaml:"module_name"`
	Concept           string   `yaml:"concept"`
	Phase             int      `yaml:"phase"`
	Tier              int      `yaml:"tier"`
	Difficulty        int      `yaml:"difficulty"`
	Language          string   `yaml:"language"`
	DurationMinutes   int      `yaml:"duration_minutes"`
	XPBase            int      `yaml:"xp_base"`
	XPBonusMultiplier int      `yaml:"xp_bonus_multiplier"`
	BonusTier         string   `yaml:"bonus_tier"`
	BonusDifficulty   int      `yaml:"bonus_difficulty"`
	Complexity        string   `yaml:"complexity"`
	Prerequisites     []string `yaml:"prerequisites"`
	Domains           []string `yaml:"domains"`
	BonusDomains      []string `yaml:"bonus_domains"`
	Validation        struct {
		ExpectedPass []string `yaml:"expected_pass"`
		ExpectedFail []string `yaml:"expected_fail"`
	} `yaml:"validation"`
	Commands struct {
		Compile       string `yaml:"compile"`
		Run           string `yaml:"run"`
		ValidateSpec  string `yaml:"validate_spec"`
		TestReference string `yaml:"test_reference"`
	} `yaml:"commands"`
}
