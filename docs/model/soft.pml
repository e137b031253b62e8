/* The protocol of soft locks: soft.go and internal/mark, whose functions are
 * named beside their steps. Every line that reads or changes a file, or several
 * in one atomic block, is one system call; processes may be delayed between any
 * two, and be killed there. See README.md. */

#define N     3          /* processes */
#define FILES (2 * N)    /* numbers of files; the lowest free one is taken, so they are used again at once */
#ifndef ROUNDS
#define ROUNDS 2         /* how often the process that keeps its claim takes the lock; the others once */
#endif
#ifndef KILLS
#define KILLS 1          /* how many processes are killed, at most */
#endif
#ifndef FORCED
#define FORCED 1         /* how many holds are broken whose holder lives, at most: Break, by somebody's wish */
#endif

#define NONE 255
#define unused(n)      (file[n].names + file[n].opens + file[n].flock == 0)

/* A file is free when it has no name and nobody has it open. Its record is what
 * is read in it, 0 if it is half written. Its times are always equal: nothing is
 * told by them. */
typedef File { byte names; byte opens; byte record; byte flock; byte hold }

File file[FILES];
byte path = NONE;        /* the file that the lock's path leads to */
byte claim[N] = NONE;    /* the file that the path of a process's claim leads to */
byte named[N];           /* the hold whose nonce is in the name of that path */
bool dead[N];
chan kill[N] = [0] of { bit };
byte forced, ended;

/* What is to be proved is told in these and in File.hold, at which no process
 * looks. */
bool holds[N];           /* from the return of Acquire to the call of Release */
bool broken[N];          /* the hold was broken while its holder lived, so there may be another */

#define HOLD           (1 + id * ROUNDS + rounds)
#ifdef NO_NONCE
#define RECORD         (1 + id)
#define HOLDER(record) (record - 1)
#define meant(it)      (file[path].hold == it || dead[HOLDER(file[path].record)])
#else
#define RECORD         HOLD
#define HOLDER(record) ((record - 1) / ROUNDS)
#define meant(it)      (file[path].hold == it)
#endif
#define stale(record)  (record != 0 && dead[HOLDER(record)])
#define keeps          (id == 0)
#define alone(p)       (id == p || !holds[p] || broken[p])

/* A free file is like any other: there are fewer states. */
inline tidy(n) {
	if
	:: file[n].opens == 0 && file[n].names == 0 -> file[n].record = 0; file[n].hold = 0
	:: else
	fi
}

inline open(fd, number) { fd = number; file[fd].opens++ }

inline close(fd) {
	if
	:: fd != NONE ->
		file[fd].opens--;
		if
		:: file[fd].flock == id + 1 -> file[fd].flock = 0
		:: else
		fi;
		tidy(fd);
		fd = NONE
	:: else
	fi
}

inline unlinkClaim(p) {
	if
	:: claim[p] != NONE ->
		file[claim[p]].names--;
		tidy(claim[p]);
		claim[p] = NONE;
		named[p] = 0
	:: else
	fi
}

/* unlink(2) takes a name away, whatever it leads to by then. Law 7: it leads to
 * the marker that is meant. */
inline unlinkPath(one) {
	if
	:: path != NONE ->
		assert(meant(one));
		file[path].names--;
		tidy(path);
		path = NONE
	:: else
	fi
}

proctype Process(byte id) {
	byte rounds;           /* holds that it has had */
	byte own = NONE;       /* mark.Own: its claim, open */
	byte f = NONE;         /* another's marker, open */
	byte seen, number;     /* mark.Evidence */
	byte whose;            /* the hold that it is of; not looked at either */
	{
	do
	:: rounds < (keeps -> ROUNDS : 1) ->

attempt:                   /* softBackend.attempt, inspectMarker, mark.Inspect */
		atomic {
			if
			:: path == NONE -> goto publish
			:: else -> open(f, path)
			fi
		}
		atomic { seen = file[f].record; number = f; whose = file[f].hold; close(f) }
		atomic {
			if
			:: stale(seen)
			:: seen != 0 && !stale(seen) && forced < FORCED -> forced++
			:: !stale(seen) -> goto leave                              /* ErrLocked */
			fi
		}

		/* softBackend.clear, mark.Break, remove, removeOpen */
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
#ifdef CONTENT_FIRST
		if
		:: file[f].record == seen
		:: else -> goto leave
		fi;
#endif
#ifndef NO_PATH
		if
		:: path == f                                                   /* leads */
		:: else -> goto leave
		fi;
#endif
#ifndef CONTENT_FIRST
		if
#ifdef NO_CONTENT
		:: f == number
#else
		:: file[f].record == seen && f == number                       /* Evidence.same */
#endif
		:: else -> goto leave
		fi;
#endif
		atomic {
			unlinkPath(whose);
			broken[HOLDER(seen)] = true
		}
		atomic { close(f) }
		atomic {                                                       /* removeIfThere(claimPath) */
			if
			:: named[HOLDER(seen)] == seen -> unlinkClaim(HOLDER(seen))
			:: else
			fi
		}
leave:
		atomic { close(f); seen = 0; number = 0; whose = 0; goto attempt }

publish:                   /* softBackend.publish, mark.Create */
		if
		:: own == NONE ->
			atomic {
				own = 0;
				do
				:: file[own].names > 0 || file[own].opens > 0 -> own++
				:: else -> break
				od;
				file[own].names = 1;
				file[own].opens = 1;
				claim[id] = own;
				named[id] = RECORD
			}
		:: else -> file[own].record = 0                                /* the claim that was kept is written anew */
		fi;
		atomic { file[own].record = RECORD; file[own].hold = HOLD; broken[id] = false }
		atomic {                                                       /* give: link(2) */
			if
			:: claim[id] == NONE -> goto discard                       /* removed with a hold that was broken */
			:: claim[id] != NONE && path == NONE -> path = own; file[own].names++
			:: claim[id] != NONE && path != NONE ->                    /* EEXIST */
				if
				:: keeps -> goto attempt
				:: else -> goto discard
				fi
			fi
		}
		if
		:: path == own                                                 /* Own.At */
		:: else -> goto discard                                        /* broken already */
		fi;
		atomic {
			if
			:: !keeps -> unlinkClaim(id)
			:: else
			fi
		}
progress:
		atomic {                                                       /* Acquire returns */
			holds[id] = true;
			assert(broken[id] || alone(0) && alone(1) && alone(2))
		}
		holds[id] = false;                                             /* Release is called */

		/* softGrant.Release, Own.Remove, removeOpen */
#ifndef RELEASE_NO_FLOCK
		atomic { file[own].flock == 0 -> file[own].flock = id + 1 }    /* mark.Persist */
#endif
#ifndef RELEASE_NO_PATH
		if
		:: path == own
		:: else -> goto released                                       /* ErrLost */
		fi;
#endif
		atomic { unlinkPath(HOLD) }
released:
		atomic {
			if
			:: file[own].flock == id + 1 -> file[own].flock = 0
			:: else
			fi;
			rounds++;
			if
			:: keeps -> goto next
			:: else
			fi
		}
discard:
		atomic { unlinkClaim(id) }
		atomic { close(own) }
next:
		skip
	:: else -> break
	od;
	atomic { unlinkClaim(id) }
	atomic { close(own); ended++ }
	} unless {
		/* The system closes what it had open. Its files stay. */
		atomic { kill[id]?_ ; dead[id] = true; holds[id] = false; close(own); close(f); rounds = 0; seen = 0; number = 0; whose = 0; ended++ }
	}
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
	ended == N -> assert(dead[0] || dead[1] || dead[2] ||
		unused(0) && unused(1) && unused(2) && unused(3) && unused(4) && unused(5))
}
