package models_test

import (
	"reflect"
	"strings"
	"testing"

	"twite/models"
	"twite/models/modelstest"
)

func TestFindProfile(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice := modelstest.User(t, db, "Alice")
	for _, name := range []string{"Alice", "alice", "ALICE"} {
		if profile, err := db.FindProfile(ctx, name); err != nil || profile.ID != alice.ID || profile.Username != "Alice" || profile.Actor != nil {
			t.Errorf("%s: %+v, %v", name, profile, err)
		}
	}
	for _, name := range []string{"", "a", "bob", "alice ", "al%", "al\u0131ce", "alice@example.com", "..", "al\x00ice", "al\xffice", strings.Repeat("a", 1<<20)} {
		_, err := db.FindProfile(ctx, name)
		wantError(t, err, models.ErrNotFound)
	}
	_, err := db.FindUser(ctx, 999)
	wantError(t, err, models.ErrNotFound)
}

func TestUpdateProfile(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice, bob := modelstest.User(t, db, "alice"), modelstest.User(t, db, "bob")
	err := db.UpdateProfile(ctx, alice.ID, models.ProfileUpdate{
		DisplayName: "  Cafe\u0301 ", Bio: "one\r\ntwo\r\n", Website: " https://example.com ", FavoriteActor: new(int64(26073614)),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := must[*models.User](t)(db.FindUser(ctx, alice.ID))
	if got.DisplayName != "Café" || got.Bio != "one\ntwo" || got.Website != "https://example.com" || *got.FavoriteActor != 26073614 {
		t.Errorf("kept: %+v", got)
	}
	if got.Username != alice.Username || got.Email != alice.Email || got.Role != alice.Role || !got.CreatedAt.Equal(alice.CreatedAt) {
		t.Errorf("other columns changed from %+v to %+v", alice, got)
	}
	if other := must[*models.User](t)(db.FindUser(ctx, bob.ID)); other.DisplayName != "" || other.FavoriteActor != nil {
		t.Errorf("another user changed: %+v", other)
	}

	if err := db.UpdateProfile(ctx, alice.ID, models.ProfileUpdate{}); err != nil {
		t.Fatal(err)
	}
	if got := must[*models.User](t)(db.FindUser(ctx, alice.ID)); got.DisplayName != "" || got.Bio != "" || got.Website != "" || got.FavoriteActor != nil {
		t.Errorf("emptied: %+v", got)
	}
	wantError(t, db.UpdateProfile(ctx, 999, models.ProfileUpdate{}), models.ErrNotFound)
}

func TestUpdateProfileRefuses(t *testing.T) {
	const website = "Enter a website like https://example.com."
	tests := []struct {
		name   string
		update models.ProfileUpdate
		want   models.FieldErrors
	}{
		{"a long display name", models.ProfileUpdate{DisplayName: strings.Repeat("ж", 65)}, models.FieldErrors{{"display_name", "Use at most 64 characters for the display name."}}},
		{"two lines", models.ProfileUpdate{DisplayName: "a\nb"}, models.FieldErrors{{"display_name", "Write the display name on one line, without characters that turn the text."}}},
		{"text turned round", models.ProfileUpdate{DisplayName: "a\u202eb"}, models.FieldErrors{{"display_name", "Write the display name on one line, without characters that turn the text."}}},
		{"a long bio", models.ProfileUpdate{Bio: strings.Repeat("😀", 161)}, models.FieldErrors{{"bio", "Use at most 160 characters for the bio."}}},
		{"a long website", models.ProfileUpdate{Website: "https://example.com/" + strings.Repeat("x", 181)}, models.FieldErrors{{"website", "Use at most 200 characters for the website."}}},
		{"an unknown actor", models.ProfileUpdate{FavoriteActor: new(int64(1))}, models.FieldErrors{{"favorite_actor", "Choose an actor from the list."}}},
		{"NUL everywhere", models.ProfileUpdate{DisplayName: "a\x00", Bio: "a\x00", Website: "https://example.com/\x00"}, models.FieldErrors{
			{"display_name", "Write the display name without the characters that cannot be typed."},
			{"bio", "Write the bio without the characters that cannot be typed."}, {"website", website}}},
		{"broken UTF-8 everywhere", models.ProfileUpdate{DisplayName: "a\xff", Bio: "a\xff", Website: "https://example.com/\xff"}, models.FieldErrors{
			{"display_name", "Write the display name without the characters that cannot be typed."},
			{"bio", "Write the bio without the characters that cannot be typed."}, {"website", website}}},
	}
	for _, bad := range []string{
		"example.com", "//example.com", "/path", "https:example.com", "https://", "https:///path", "https://:443", "ftp://example.com", "mailto:a@example.com",
		"javascript:alert(1)", "JavaScript://example.com/%0aalert(1)", "java\tscript:alert(1)", "\x01javascript:alert(1)", "data:text/html,x", "vbscript:x",
		"https://user@example.com", "https://user:password@example.com", "https://example.com@evil.example", "https://@example.com",
		`https:\\example.com`, `https://example.com\@evil.example`, "https://example.com/a b", "https://example.com/\ta", "https://example.com/\r\nX: y",
		"https://example.com/\"onclick=x", "https://example.com/<b>", "https://exa mple.com", "https://example.com:port",
		"https://example.com/\u0085x", "https://example.com/\u2028x", "https://example.com/\u00a0x", "https://example.com/\u202egpj.exe", "https://exam\u200bple.com", "https://example.com/%zz",
	} {
		tests = append(tests, struct {
			name   string
			update models.ProfileUpdate
			want   models.FieldErrors
		}{bad, models.ProfileUpdate{Website: bad}, models.FieldErrors{{"website", website}}})
	}
	db, ctx := modelstest.New(t), t.Context()
	alice := modelstest.User(t, db, "alice")
	before := must[*models.User](t)(db.FindUser(ctx, alice.ID))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := db.UpdateProfile(ctx, alice.ID, tt.update); !reflect.DeepEqual(err, error(tt.want)) {
				t.Errorf("got %q, want %q", err, tt.want)
			}
		})
	}
	if after := must[*models.User](t)(db.FindUser(ctx, alice.ID)); !reflect.DeepEqual(after, before) {
		t.Errorf("refused, but changed to %+v", after)
	}
}

func TestWebsitesAndTextsAtTheirLimits(t *testing.T) {
	db, ctx := modelstest.New(t), t.Context()
	alice := modelstest.User(t, db, "alice")
	for _, website := range []string{"", "https://example.com", "http://example.com", "HTTPS://Example.COM/A?b=c#d", "https://bücher.example/straße", "https://example.com:8443/~a/%20b", "https://[2001:db8::1]/", "https://example.com/" + strings.Repeat("x", 180)} {
		if err := db.UpdateProfile(ctx, alice.ID, models.ProfileUpdate{Website: website}); err != nil {
			t.Errorf("%q: %v", website, err)
		}
	}
	update := models.ProfileUpdate{DisplayName: strings.Repeat("ж", 64), Bio: strings.Repeat("e\u0301", 160)}
	if err := db.UpdateProfile(ctx, alice.ID, update); err != nil {
		t.Error(err)
	}
}
