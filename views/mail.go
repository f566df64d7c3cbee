package views

import (
	"fmt"
	"strings"
	"time"
)

// A Mail is what a message says, in whichever form it is read.
type Mail struct {
	Subject string
	Lines   []string // paragraphs
	Link    string   // the one thing to open; may be empty
	Site    string   // the address of the site it comes from
}

// Text is the mail as plain text.
func (m Mail) Text() string {
	parts := m.Lines
	if m.Link != "" {
		parts = append(parts[:len(parts):len(parts)], m.Link)
	}
	return strings.Join(append(parts[:len(parts):len(parts)], "-- \n"+m.Site), "\n\n") + "\n"
}

// ResetMail brings the link with which a password can be set anew.
func ResetMail(site, token, username string, lifetime time.Duration) Mail {
	return Mail{
		Subject: "A new password for @" + username,
		Lines: []string{
			fmt.Sprintf("Somebody, hopefully you, asked for a new password for @%s on Twite.", username),
			fmt.Sprintf("Open this link within %s to set one. It works once. If it was not you, do nothing: the password stays as it is.", lasting(lifetime)),
		},
		Link: site + ResetPath(token),
		Site: site,
	}
}

// FactorsMail brings the link that removes second factors, which somebody who runs the site had sent.
func FactorsMail(site, token, username string, lifetime time.Duration) Mail {
	return Mail{
		Subject: "Remove the second factors of @" + username,
		Lines: []string{
			fmt.Sprintf("The people who run this site send you this because @%s on Twite has lost its second factors.", username),
			fmt.Sprintf("Open this link within %s to remove them and sign in with your password alone. If you did not ask for help, do nothing.", lasting(lifetime)),
		},
		Link: site + FactorsPath(token),
		Site: site,
	}
}

// RequestMail tells a moderator that somebody waits to be let in. What they wrote stays on the site.
func RequestMail(site, username string) Mail {
	return Mail{
		Subject: "@" + username + " would like to join",
		Lines:   []string{fmt.Sprintf("@%s asks to join Twite, and says why. You can let them in, or refuse.", username)},
		Link:    site + "/admin/requests",
		Site:    site,
	}
}

// ApprovedMail tells somebody that they are let in.
func ApprovedMail(site, username string) Mail {
	return Mail{
		Subject: "Welcome to Twite, @" + username,
		Lines:   []string{fmt.Sprintf("Your request is granted. You can sign in as @%s now, with the password that you chose.", username)},
		Link:    site + "/login",
		Site:    site,
	}
}

// DoctorMail shows the operator that mail arrives.
func DoctorMail(site string) Mail {
	return Mail{
		Subject: "Mail from Twite arrives",
		Lines:   []string{"Whoever runs the site asked for this mail, to see whether it arrives. There is nothing to do."},
		Site:    site,
	}
}

// RefusedMail tells somebody that they are not. Nothing about them is kept, so that it can say no more.
func RefusedMail(site string) Mail {
	return Mail{
		Subject: "Your request to join Twite",
		Lines: []string{"The people who run the site cannot let you in. What you sent with your request is deleted.",
			"If it was not you who asked, there is nothing to do."},
		Site: site,
	}
}

// ConfirmMail brings the link with which a new member confirms the address of the account.
func ConfirmMail(site, token, username string, lifetime time.Duration) Mail {
	return Mail{
		Subject: "Confirm your address for @" + username,
		Lines: []string{
			fmt.Sprintf("Somebody, hopefully you, registered @%s on Twite with this address.", username),
			fmt.Sprintf("Open this link within %s to confirm that it is yours. If it was not you, do nothing.", lasting(lifetime)),
		},
		Link: site + confirmEmailPath(token),
		Site: site,
	}
}

// ChangeEmailMail brings the link that makes the address it goes to that of an account.
func ChangeEmailMail(site, token, username string, lifetime time.Duration) Mail {
	return Mail{
		Subject: "Confirm your new address for @" + username,
		Lines: []string{
			fmt.Sprintf("Somebody, hopefully you, would like this to be the address of @%s on Twite.", username),
			fmt.Sprintf("Open this link within %s to confirm it. Until then the old address stays. If it was not you, do nothing.", lasting(lifetime)),
		},
		Link: site + confirmEmailPath(token),
		Site: site,
	}
}

// EmailChangedMail tells an old address that it is that of an account no more, and brings the link that undoes it.
func EmailChangedMail(site, token, username string, lifetime time.Duration) Mail {
	return Mail{
		Subject: "The address of @" + username + " was changed",
		Lines: []string{
			fmt.Sprintf("@%s on Twite has another email address now: no more mail about it comes here.", username),
			fmt.Sprintf("If it was not you, open this link within %s: it takes the address back and signs every session out. Then set a new password. If it was you, do nothing.", lasting(lifetime)),
		},
		Link: site + undoEmailPath(token),
		Site: site,
	}
}

// SignInLinkMail brings the link that signs in, and the code that does so where the link cannot be opened.
func SignInLinkMail(site, token, code, username string, lifetime time.Duration) Mail {
	half := len(code) / 2
	return Mail{
		Subject: "Sign in as @" + username,
		Lines: []string{
			fmt.Sprintf("Somebody, hopefully you, asked to sign in as @%s on Twite.", username),
			fmt.Sprintf("Type this code within %s where you asked for it: %s %s", lasting(lifetime), code[:half], code[half:]),
			"Or open this link there, in the same browser. Tell nobody the code. If it was not you, do nothing.",
		},
		Link: site + linkPath(token),
		Site: site,
	}
}

// lasting is a lifetime as people say it: in days or hours where these are whole, else in minutes, of which it is one at
// least.
func lasting(d time.Duration) string {
	n, unit := max(1, int(d.Minutes())), "minute"
	switch {
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		n, unit = int(d.Hours())/24, "day"
	case d >= 2*time.Hour && d%time.Hour == 0:
		n, unit = int(d.Hours()), "hour"
	}
	if n > 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}
