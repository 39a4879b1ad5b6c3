package spec

// Text is a sentence in both languages of the school.
type Text struct {
	FR string `yaml:"fr" json:"fr"`
	EN string `yaml:"en" json:"en"`
}

// In gives the sentence in lang ("fr"; anything else is English).
func (t Text) In(lang string) string {
	if lang == "fr" {
		return t.FR
	}
	return t.EN
}

// IsZero reports whether neither language says anything.
func (t Text) IsZero() bool { return t == Text{} }
