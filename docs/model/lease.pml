/* The protocol of leases: package lease, internal/mark and renew.go, whose
 * functions are named beside their steps. Every line that reads or changes a
 * file, or several in one atomic block, is one system call; any time may pass
 * between any two, and processes be killed there. See README.md. */

#define N        3       /* processes */
#define FILES    (N + 2) /* numbers of files; the lowest free one is taken, so they are used again at once */
#ifndef LIFETIME
#define LIFETIME 1       /* of a lease; times are in ticks */
#endif
#ifndef SLOP
#define SLOP     1       /* for which a lease that has ended is left alone */
#endif
#ifndef SKEW
#define SKEW     1       /* by which the clock of process 1 is ahead */
#endif
#ifndef ROUNDS
#define ROUNDS   1       /* how often process 0 takes the lock; the others once */
#endif
#ifndef RENEWALS
#define RENEWALS 1       /* of each hold, besides the one that it begins with */
#endif
#ifndef KILLS
#define KILLS    1       /* how many processes are killed, at most */
#endif

#define NONE 255
#define unused(n)     (file[n].names + file[n].opens + file[n].flock == 0)

/* Times are stored as what is left until then by the true clock, and more by
 * PAST, so that those that are long gone are all 0. */
#define PAST          (SLOP + 1)
#define clock         (PAST + (id == 1 -> SKEW : 0))
#define clockOf(p)    (PAST + (p == 1 -> SKEW : 0))
#define ended(time)   (time + SLOP < clock)

/* A file is free when it has no name and nobody has it open. Its record is the
 * hold that it speaks of; its mtime is when the lease ends. */
typedef File { byte names; byte opens; byte record; byte flock; byte ends }

File file[FILES];
byte path = NONE;        /* the file that the lock's path leads to */
byte claim[N] = NONE;    /* the file that the path of a process's claim leads to */
byte sent[N];            /* the end of the lease that a process asks for */
byte saw[N];             /* mark.Evidence: the mtime */
chan kill[N] = [0] of { bit };
byte over;
bool killed;

/* What is to be proved is told in these. */
bool holds[N];           /* from a renewal to the next one that fails, to loss, or to Release */
byte deadline[N];        /* of the hold, by the clock of its holder: renew.go */

#define RECORD           (1 + id * ROUNDS + rounds)
#define HOLDER(record)   ((record - 1) / ROUNDS)
#define within(p)        (holds[p] && deadline[p] > clockOf(p))

/* A free file is like any other: there are fewer states. */
inline tidy(n) {
	if
	:: file[n].opens == 0 && file[n].names == 0 -> file[n].record = 0; file[n].ends = 0
	:: else
	fi
}

inline open(fd, number) { fd = number; file[fd].opens++ }

inline close(fd) {
	if
	:: fd != NONE ->
		file[fd].opens--;
		unlock(fd);
		tidy(fd);
		fd = NONE
	:: else
	fi
}

inline unlock(fd) {
	if
	:: file[fd].flock == id + 1 -> file[fd].flock = 0
	:: else
	fi
}

inline unlinkClaim(p) {
	if
	:: claim[p] != NONE ->
		file[claim[p]].names--;
		tidy(claim[p]);
		claim[p] = NONE
	:: else
	fi
}

/* unlink(2) takes a name away, whatever it leads to by then. Law 7: it leads to
 * the lock that is meant. */
inline unlinkPath(meant) {
	if
	:: path != NONE ->
		assert(file[path].record == meant);
		file[path].names--;
		tidy(path);
		path = NONE
	:: else
	fi
}

inline forget() { seen = 0; number = 0; saw[id] = 0 }

proctype Process(byte id) {
	byte rounds;           /* holds that it has had */
	byte renewals;
	byte own = NONE;       /* mark.Own: its claim, open */
	byte f = NONE;         /* another's lock file, open */
	byte seen, number;     /* mark.Evidence */
	{
	do
	:: rounds < (id == 0 -> ROUNDS : 1) ->

attempt:                   /* claimant.attempt: refused, claim, win */
		atomic {
			if
			:: path == NONE ->                                         /* mark.Create, grant.touch, link(2) */
				own = 0;
				do
				:: file[own].names > 0 || file[own].opens > 0 -> own++
				:: else -> break
				od;
				file[own].names = 2;
				file[own].opens = 1;
				file[own].record = RECORD;
				file[own].ends = clock + LIFETIME;
				claim[id] = own;
				path = own;
				goto renew
			:: path != NONE && !ended(file[path].ends) -> goto attempt /* ErrLocked */
			:: path != NONE && ended(file[path].ends) ->               /* mark.Look, sight.breakable */
				seen = file[path].record; saw[id] = file[path].ends; number = path
			fi
		}

		/* sight.remove, mark.Break, remove, removeOpen */
		atomic {
			if
			:: path == NONE -> goto leave
			:: else -> open(f, path)
			fi
		}
#ifndef NO_FLOCK
		atomic {
			if
			:: file[f].flock == 0 -> file[f].flock = id + 1
			:: else -> goto leave                                      /* ErrBusy */
			fi
		}
#endif
#ifndef NO_PATH
		if
		:: path == f                                                   /* leads */
		:: else -> goto leave
		fi;
#endif
		atomic {                                                       /* Evidence.same */
			if
			:: (f == number
#ifndef NO_CONTENT
				&& file[f].record == seen
#endif
#ifndef NO_TIME
				&& file[f].ends == saw[id]
#endif
			)
			:: else -> goto leave
			fi
		}
		atomic { unlinkPath(seen) }
		atomic {
			close(f);
			if                                                         /* the claim, which has another name each time */
			:: claim[HOLDER(seen)] == number && file[number].record == seen -> unlinkClaim(HOLDER(seen))
			:: else
			fi
		}
leave:
		atomic { close(f); forget(); goto attempt }

renew:                     /* renewal.renew */
		sent[id] = clock + LIFETIME;
#ifndef RENEW_NO_FLOCK
		atomic { file[own].flock == 0 -> file[own].flock = id + 1 }    /* grant.Renew, Own.Touch, kept.guarded; mark.Persist */
#endif
		file[own].ends = sent[id];
#ifndef RENEW_NO_LOOK
		if
		:: path == own                                                 /* Own.At */
		:: else -> goto release                                        /* ErrLost */
		fi;
#endif
progress:
		atomic {                                                       /* renewal.ends */
			unlock(own);
#ifdef LATE
			sent[id] = clock + LIFETIME;
#endif
			holds[id] = true;
			deadline[id] = sent[id];
			sent[id] = 0;
			assert(!within(0) + !within(1) + !within(2) >= N - 1)
		}
		atomic {
			if
			:: renewals < RENEWALS -> renewals++; goto renew
			:: true
			fi
		}

release:                   /* grant.Release, Own.Remove, removeOpen */
		atomic { holds[id] = false; deadline[id] = 0; sent[id] = 0; renewals = 0; unlock(own) }
#ifndef RELEASE_NO_FLOCK
		atomic { file[own].flock == 0 -> file[own].flock = id + 1 }    /* mark.Persist */
#endif
#ifndef RELEASE_NO_PATH
		if
		:: path == own
		:: else -> goto released                                       /* ErrLost */
		fi;
#endif
		atomic { unlinkPath(RECORD) }
released:
		atomic { unlinkClaim(id); close(own); rounds++; goto next }
next:
		skip
	:: else -> break
	od;
	over++
	} unless {
		/* The system closes what it had open. Its files stay. */
		atomic {
			kill[id]?_ ;
			killed = true; holds[id] = false; deadline[id] = 0; sent[id] = 0; forget();
			close(own); close(f); rounds = 0; renewals = 0; over++
		}
	}
}

inline pass(time) {
	if
	:: time > 0 -> time--
	:: else
	fi
}

/* Time passes whenever it likes, as long as that makes a difference. */
active proctype Clock() {
	byte i;
end:
	do
	:: atomic {
		file[0].ends > 0 || file[1].ends > 0 || file[2].ends > 0 || file[3].ends > 0 || file[4].ends > 0 ||
		sent[0] > 0 || sent[1] > 0 || sent[2] > 0 ||
		saw[0] > 0 || saw[1] > 0 || saw[2] > 0 ||
		deadline[0] > 0 || deadline[1] > 0 || deadline[2] > 0 ->
		for (i : 0 .. FILES - 1) { pass(file[i].ends) }
		for (i : 0 .. N - 1) { pass(sent[i]); pass(saw[i]); pass(deadline[i]) }
		i = 0
	}
	od
}

/* kill -9, at any moment */
active [KILLS] proctype Kill() {
end:
	if
	:: kill[0]!0
	:: kill[1]!0
	:: kill[2]!0
	fi
}

init {
	atomic {
		run Process(0);
		run Process(1);
		run Process(2)
	}
	/* Whoever ends by itself leaves nothing behind. */
	over == N -> assert(killed || unused(0) && unused(1) && unused(2) && unused(3) && unused(4))
}
